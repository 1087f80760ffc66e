import { u32 } from '../netlink/attribute.ts';
import type { Query } from '../netlink/message.ts';
import { TCA_CHAIN } from './filter.ts';
import { tcmsg } from './qdisc.ts';

/**
 * Restricts a query for filters to those at one pref, for every protocol, in the chain in which
 * each frame starts. The kernel skips all others, even one that is too large for a dump.
 */
export function filtersAt<T>(query: Query<T>, pref: number): Query<T> {
  const { request } = query;
  const [, ifindex = 0, handle = 0, parent = 0] = request.body;
  const info = (pref << 16) >>> 0; // without a protocol: any
  return {
    ...query,
    request: { ...request, body: [...tcmsg(ifindex, parent, handle, info), ...u32(TCA_CHAIN, 0)] },
  };
}
