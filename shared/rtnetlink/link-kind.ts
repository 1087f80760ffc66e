/**
 * Which frames each kind of link passes to its ingress. A guest behind a link never sees the frames
 * that the link drops.
 */
import type { Link } from './link.ts';

/** Null means a physical device. */
type Kind = Link['kind'];

/** Kinds that drop unicast frames to any address except their own. */
const UNICAST_FILTERS: readonly Kind[] = [null, 'macvlan', 'macvtap', 'ipvlan', 'vlan'];

/**
 * Kinds that pass every multicast frame, whatever groups were joined. All other kinds may drop
 * some: a bridge drops groups without members, and macvlan, ipvlan, vlan and physical devices drop
 * groups that are not in their filter. Allmulticast harms none of them.
 */
const PASS_ALL_MULTICAST: readonly Kind[] = ['veth', 'tun', 'vxlan'];

/**
 * Whether the link drops unicast frames to a guest behind it whose MAC address differs from that of
 * the link.
 */
export const filtersUnicast = ({ kind }: Pick<Link, 'kind'>): boolean => UNICAST_FILTERS.includes(kind);

/**
 * Whether a guest behind the link gets all multicast frames, such as IPv6 neighbour solicitations,
 * without allmulticast.
 */
export const passesAllMulticast = ({ kind }: Pick<Link, 'kind'>): boolean =>
  PASS_ALL_MULTICAST.includes(kind);
