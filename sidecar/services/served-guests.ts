import type { Link } from '../../shared/rtnetlink/link.ts';
import { type PodNetwork, servedTapsOf } from './facts.ts';
import { type GuestNetwork, NO_DHCP_OPTIONS } from './guest-network.ts';

/** A guest that the sidecar serves: its tap, and what it is told. */
export interface ServedGuest {
  readonly tap: Link;
  readonly network: GuestNetwork;
}

/** Returns the guests of a pod. */
export function servedGuestsOf(pod: PodNetwork, searchDomains: readonly string[]): readonly ServedGuest[] {
  return servedTapsOf(pod).map(({ link, facts }) => ({
    tap: link,
    network: { ...facts, domain: searchDomains[0] ?? null, searchDomains, options: NO_DHCP_OPTIONS },
  }));
}
