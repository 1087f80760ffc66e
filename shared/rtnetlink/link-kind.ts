/** What the kinds of links let pass to their ingress. Frames that a link drops never reach a guest behind it. */
import type { Link } from './link.ts';

/** Null is a physical device. */
type Kind = Link['kind'];

/** Kinds that drop unicast frames to any address but their own. */
const UNICAST_FILTERS: readonly Kind[] = [null, 'macvlan', 'ipvlan', 'vlan'];

/**
 * Kinds that pass every multicast frame, whatever group was joined. All others count as filters: a bridge drops groups that nobody
 * joined, and macvlan, ipvlan, vlan and physical devices drop groups that they were not told of. Turning on allmulticast harms no
 * kind.
 */
const PASS_ALL_MULTICAST: readonly Kind[] = ['veth', 'tun', 'vxlan'];

/** Whether a guest behind the link gets no unicast frames to another MAC address than the link's. */
export const filtersUnicast = ({ kind }: Pick<Link, 'kind'>): boolean => UNICAST_FILTERS.includes(kind);

/** Whether a guest behind the link gets all multicast, such as IPv6's neighbour solicitations, without allmulticast. */
export const passesAllMulticast = ({ kind }: Pick<Link, 'kind'>): boolean =>
  PASS_ALL_MULTICAST.includes(kind);
