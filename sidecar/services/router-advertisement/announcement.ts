import type { GuestNetwork } from '../guest-network.ts';
import { ROUTER_LIFETIME } from './advertisement.ts';

/** The arguments of `encodeAdvertisement`. */
export interface Announcement {
  readonly router: string;
  readonly lifetime: number;
  readonly network: GuestNetwork;
  readonly validity: number;
}

/**
 * Returns what the router of a network announces; null without IPv6. A router that is not for all
 * destinations announces itself as well, because this is how the guest learns that it must ask
 * DHCPv6 for its addresses, and which prefixes it reaches without a router.
 */
export function announcementOf(network: GuestNetwork): Announcement | null {
  const { ipv6 } = network;
  if (ipv6 === null) return null;
  const lifetime = ipv6.isDefaultRouter ? ROUTER_LIFETIME : 0;
  return { router: ipv6.router, lifetime, network, validity: ROUTER_LIFETIME };
}

/** Returns how the router of a network withdraws all that it announced; null without IPv6. */
export const farewellOf = (network: GuestNetwork): Announcement | null =>
  network.ipv6 === null ? null : { router: network.ipv6.router, lifetime: 0, network, validity: 0 };
