import { isRefused } from '../../shared/netlink/message.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { type Address, allAddresses } from '../../shared/rtnetlink/address.ts';
import { type Link, linkNamed } from '../../shared/rtnetlink/link.ts';
import { allRoutes, type Route } from '../../shared/rtnetlink/route.ts';

/** A device of the node, on which macvtaps are created. */
export interface Lower {
  readonly link: Link;
  /** Why a pod must not have all of it; null: it may, or nobody asked. */
  readonly use: string | null;
}

/**
 * Reads a device in the netns of this process, which is the node's. Null if there is none.
 *
 * @param isForOne whether to find out if the node uses the device: a node may have many routes
 */
export async function readLower(ifname: string, isForOne: boolean): Promise<Lower | null> {
  const rtnetlink = new Rtnetlink(null);
  try {
    const { answers } = await rtnetlink.look(linkNamed(ifname));
    const [link] = answers;
    if (link === undefined || isRefused(link)) return null;
    if (!isForOne) return { link, use: null };
    const [addresses, routes] = await rtnetlink.ask(allAddresses, allRoutes);
    return { link, use: findUse(link, addresses, routes) };
  } finally {
    await rtnetlink.close();
  }
}

/**
 * Says what the node uses the device for. Every link that is up has an IPv6 link-local address,
 * which does not count.
 */
export function findUse(
  { ifindex, master }: Link,
  addresses: readonly Address[],
  routes: readonly Route[],
): string | null {
  const address = addresses.find(
    (one) => one.ifindex === ifindex && !(one.family === 'inet6' && one.scope === 'link'),
  );
  if (address !== undefined) return `it has address ${address.local}/${address.prefixLength}`;
  // A route with several next hops does not say which devices they are on.
  const isDefault = ({ destination, link }: Route) =>
    destination === 'default' && (link === null || link === ifindex);
  if (routes.some(isDefault)) return 'the default route leads through it';
  return master === null ? null : 'it belongs to a bridge or bond';
}
