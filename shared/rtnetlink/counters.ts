import { decodeAttributes, inside, readBytes } from '../netlink/attribute.ts';
import type { Message, Query } from '../netlink/message.ts';
import { type Direction, type Filter, filtersOf, redirectAction } from './filter.ts';
import { INGRESS_KEEP, type IngressQdisc, ingressQdiscs, TCMSG_BYTES } from './qdisc.ts';

/** Number of packets and bytes that a filter has redirected so far. */
export interface Traffic {
  readonly packets: number;
  /** Without Ethernet headers if the filter is at an ingress. */
  readonly bytes: number;
}

/** A filter and its traffic (`tc -s filter show`). */
export interface CountedFilter extends Filter {
  /** Null if the filter does not redirect. */
  readonly traffic: Traffic | null;
}

// linux/pkt_cls.h, linux/gen_stats.h
const TCA_ACT_STATS = 4;
const TCA_STATS_BASIC = 1; // struct gnet_stats_basic: 64 bits of bytes, 32 of packets
const BASIC_BYTES = 12;
const TCA_STATS_PKT64 = 8; // only if 32 bits are not enough
const TCA_STATS2 = 7;
const TCA_STATS_QUEUE = 3; // struct gnet_stats_queue: length, backlog, drops, …
const DROPS_OFFSET = 8;

/** An ingress qdisc, and what its filters have dropped (`tc -s qdisc show`). */
export interface CountedQdisc extends IngressQdisc {
  readonly dropped: number;
}

/** Like `ingressQdiscs`, but with counters. */
export const countedQdiscs: Query<readonly CountedQdisc[]> = {
  request: ingressQdiscs.request,
  isList: true,
  isUsefulInPart: true,
  keep: { ...INGRESS_KEEP, types: [...INGRESS_KEEP.types, TCA_STATS2] },
  decode: (replies) =>
    replies.flatMap((message) =>
      ingressQdiscs.decode([message]).map((qdisc) => ({ ...qdisc, dropped: decodeDrops(message) })),
    ),
};

/** Number of packets that a qdisc has dropped; 0 if the kernel does not tell. */
export function decodeDrops({ body }: Pick<Message, 'body'>): number {
  const statistics = inside(decodeAttributes(body, TCMSG_BYTES), TCA_STATS2);
  const queue = readBytes(statistics, TCA_STATS_QUEUE);
  return queue === undefined || queue.length < DROPS_OFFSET + 4 ? 0 : queue.readUInt32LE(DROPS_OFFSET);
}

/** Like `filtersOf`, but with counters, which wiring a pod does not need. */
export function countedFiltersOf(
  qdisc: Pick<IngressQdisc, 'ifindex' | 'kind'>,
  direction: Direction,
): Query<readonly CountedFilter[]> {
  const { refused: _, ...query } = filtersOf(qdisc, direction);
  const toCounted = (message: Message): CountedFilter[] =>
    query.decode([message]).map((filter) => ({ ...filter, traffic: decodeTraffic(message) }));
  return { ...query, decode: (replies) => replies.flatMap(toCounted) };
}

export function decodeTraffic({ body }: Pick<Message, 'body'>): Traffic | null {
  const action = redirectAction(decodeAttributes(body, TCMSG_BYTES));
  if (action === null) return null;
  const statistics = inside(action, TCA_ACT_STATS);
  const basic = readBytes(statistics, TCA_STATS_BASIC);
  if (basic === undefined || basic.length < BASIC_BYTES) return null;
  const packets = readBytes(statistics, TCA_STATS_PKT64);
  return {
    packets: packets?.length === 8 ? Number(packets.readBigUInt64LE()) : basic.readUInt32LE(8),
    bytes: Number(basic.readBigUInt64LE()),
  };
}
