import type { GuestIpv6, GuestNetwork } from '../guest-network.ts';
import { ROUTER_LIFETIME } from './advertisement.ts';

/** The arguments of `encodeAdvertisement`. */
export interface Advertisement {
  readonly router: string;
  readonly lifetime: number;
  readonly network: GuestNetwork;
  readonly validity: number;
}

/**
 * Returns what the guest is told when its network is no longer what it was told: first that a former
 * router is gone, with all that it announced, then what the present one announces. A router that is
 * not for all destinations announces itself as well, because only so the guest learns that it must
 * ask DHCPv6 for addresses, and which prefixes it reaches without a router.
 *
 * @param before null if nothing was announced yet
 * @param now the same as `before` to repeat what was announced
 */
export function advertisementsFor(before: GuestNetwork | null, now: GuestNetwork): Advertisement[] {
  const former = before?.ipv6?.router ?? null;
  const present = now.ipv6?.router ?? null;
  return [
    ...(before !== null && former !== null && former !== present
      ? [{ router: former, lifetime: 0, network: before, validity: 0 }]
      : []),
    ...(now.ipv6 !== null && present !== null
      ? [{ router: present, lifetime: lifetimeOf(now.ipv6), network: now, validity: ROUTER_LIFETIME }]
      : []),
  ];
}

const lifetimeOf = ({ isDefaultRouter }: GuestIpv6): number => (isDefaultRouter ? ROUTER_LIFETIME : 0);
