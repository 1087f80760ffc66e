/** What the guest's part in the pod's network is, for the CNI plugin and the sidecar alike. */
import type { Address } from './rtnetlink/address.ts';
import type { Link } from './rtnetlink/link.ts';
import { type Neighbour, NUD_PERMANENT } from './rtnetlink/neighbour.ts';
import { type Route, RTPROT_RA } from './rtnetlink/route.ts';

/** The addresses of a link that its guest gets, of one family. Pure. */
export const guestAddressesOf = (
  link: Pick<Link, 'ifindex'>,
  family: Address['family'],
  addresses: readonly Address[],
): readonly Address[] =>
  addresses
    .filter((one) => one.ifindex === link.ifindex && one.family === family && one.scope !== 'host')
    // Those of a router advertisement expire, since the pod gets no further ones.
    .filter(({ scope, isPermanent }) => family === 'inet' || (scope !== 'link' && isPermanent));

/**
 * Returns the gateway of a link's default route of IPv6: null if it has none. A link-local one is
 * known; another is only known by asking. Ignores routes of router advertisements, which any host
 * can send. Pure.
 */
export function gatewayOf(link: Pick<Link, 'ifindex'>, routes: readonly Route[]): string | null {
  const isDefault = ({ family, destination, protocol }: Route) =>
    family === 'inet6' && destination === 'default' && protocol !== RTPROT_RA;
  return routes.find((route) => isDefault(route) && route.link === link.ifindex)?.gateway ?? null;
}

/** The router that ADD made a neighbour of the tap. @param neighbours of the tap */
export const toldRouterOf = (neighbours: readonly Neighbour[]): Neighbour | undefined =>
  neighbours.find(({ address, state }) => isLinkLocal(address) && state === NUD_PERMANENT);

export const isLinkLocal = (address: string): boolean => address.startsWith('fe80:');
