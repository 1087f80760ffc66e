/**
 * Finds the link-local address of a pod's IPv6 gateway whose address in the routes is global.
 * Router advertisements must come from the link-local one, and only the gateway knows it: it is the
 * router on the link that has the gateway's MAC.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rtnetlink } from '../../shared/netns/netns.ts';
import { type Address, allAddresses, canonicalAddress } from '../../shared/rtnetlink/address.ts';
import { IFF_UP, type Link } from '../../shared/rtnetlink/link.ts';
import { neighboursOf } from '../../shared/rtnetlink/neighbour.ts';
import { neighbourResolution } from '../../shared/rtnetlink/neighbour-resolution.ts';
import { askRouters } from './ask-routers.ts';

/** A router: its link-local address in canonical form, and its MAC. */
export interface Router {
  readonly address: string;
  readonly mac: string;
}

/** The gateway as a router, or why it was not found. */
export type FoundRouter = { readonly router: Router } | { readonly reason: string };

// All in ms. Duplicate address detection takes up to 2 s: a random delay, and one probe.
const ADDRESS_TIMEOUT = 2200;
const ADDRESS_POLL = 50;
// The pauses between two looks at the neighbour table double, 315 in total. A pod can make it long.
const FIRST_MAC_PAUSE = 5;
const LAST_MAC_PAUSE = 160;

/** Maximum number of routers whose MACs are compared. */
const MAX_ROUTERS = 8;

/**
 * Finds the router that has the same MAC as the gateway. Sends as little as possible: a
 * solicitation for each MAC that is unknown, and one echo request, or a second one if the first
 * router to reply is not the gateway.
 *
 * Takes up to 2.2 s while the link-local address of the link is tentative, then up to 1.6 s.
 *
 * @param gateway IPv6 address on the link
 * @throws {BindingError} KERNEL_REFUSED, TRY_AGAIN if addresses or neighbours cannot be read
 */
export async function findRouter(
  netns: number,
  rtnetlink: Rtnetlink,
  link: Link,
  gateway: string,
): Promise<FoundRouter> {
  const { ifname, ifindex } = link;
  if ((link.flags & IFF_UP) === 0) return { reason: `"${ifname}" is down` };
  if (!link.hasCarrier) return { reason: `"${ifname}" has no carrier` };
  const source = await settledLinkLocal(rtnetlink, ifindex);
  if (source === undefined) return { reason: `"${ifname}" has no link-local address` };
  if (source.isTentative) return { reason: `${source.local} of "${ifname}" stays tentative` };
  const own = canonicalAddress(gateway);
  const mac = (await macsOf(rtnetlink, ifindex, [own])).get(own);
  if (mac === undefined) return { reason: `gateway ${own} does not reply to a neighbour solicitation` };
  for (const most of [1, MAX_ROUTERS]) {
    const replies = await askRouters(netns, ifindex, source.local, most);
    if ('reason' in replies) return replies;
    const macs = await macsOf(rtnetlink, ifindex, replies.routers);
    const address = replies.routers.find((router) => macs.get(router) === mac);
    if (address !== undefined) return { router: { address, mac } };
  }
  return {
    reason: `none of the routers that reply to an echo request has ${mac}, the MAC of gateway ${own}`,
  };
}

/**
 * Returns a link-local address of the link, and waits while all are tentative. Undefined if the
 * link has no such address.
 */
async function settledLinkLocal(rtnetlink: Rtnetlink, ifindex: number): Promise<Address | undefined> {
  for (let waited = 0; ; waited += ADDRESS_POLL) {
    const [addresses] = await rtnetlink.ask(allAddresses);
    const own = addresses.filter(
      (one) => one.ifindex === ifindex && one.family === 'inet6' && one.scope === 'link',
    );
    const settled = own.find(({ isTentative }) => !isTentative);
    if (settled !== undefined || own.length === 0 || waited >= ADDRESS_TIMEOUT) return settled ?? own[0];
    await sleep(ADDRESS_POLL);
  }
}

/**
 * Returns the MACs of neighbours, by address. Makes the kernel ask for those that it does not know:
 * a router that already knows the pod replies without telling its own MAC. One that the kernel
 * does not ask for, because its table is full, is missing like one that does not reply.
 */
async function macsOf(
  rtnetlink: Rtnetlink,
  ifindex: number,
  addresses: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  for (let pause = FIRST_MAC_PAUSE; ; pause *= 2) {
    const [neighbours] = await rtnetlink.ask(neighboursOf(ifindex));
    const macs = new Map(neighbours.flatMap(({ address, mac }) => (mac === null ? [] : [[address, mac]])));
    const unknown = addresses.filter((address) => !macs.has(address));
    if (unknown.length === 0 || pause > LAST_MAC_PAUSE) return macs;
    const requests = unknown.map((address) => neighbourResolution(ifindex, address));
    if (pause === FIRST_MAC_PAUSE) await rtnetlink.run([{ part: 'change', requests }], true);
    await sleep(pause);
  }
}
