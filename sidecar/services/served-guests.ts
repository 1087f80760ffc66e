import type { Link } from '../../shared/rtnetlink/link.ts';
import { findTap } from '../pod/wiring.ts';
import type { GuestOptions } from '../vmi/guest-options.ts';
import { domainOf } from './domain-of.ts';
import { type PodNetwork, servedTapsOf } from './facts.ts';
import { type GuestNetwork, NO_DHCP_OPTIONS } from './guest-network.ts';

/** A guest that the sidecar serves: its tap, and what it is told. */
export interface ServedGuest {
  readonly tap: Link;
  /** Name of the VMI's interface; null if virt-launcher has not sent the VMI yet. */
  readonly name: string | null;
  /** MAC address of the guest's NIC. */
  readonly mac: string;
  readonly network: GuestNetwork;
}

/**
 * Returns the guests of a pod.
 *
 * @param options what the VMI asks for; null if virt-launcher has not sent it yet
 */
export function servedGuestsOf(pod: PodNetwork, options: GuestOptions | null): readonly ServedGuest[] {
  const domains = domainOf(pod.searchDomains, options?.subdomain ?? '');
  return servedTapsOf(pod).map(({ link, podLink, facts }) => {
    const one = options?.interfaces.find((own) => findTap(own, pod.links)?.ifname === link.ifname);
    return {
      tap: link,
      name: one?.name ?? null,
      mac: one?.mac ?? podLink?.mac ?? '',
      network: { ...facts, ...domains, options: one?.options ?? NO_DHCP_OPTIONS },
    };
  });
}
