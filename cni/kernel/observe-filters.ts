import { isRefused, type Query, TOO_MUCH } from '../../shared/netlink/message.ts';
import type { Rtnetlink } from '../../shared/netns/netns.ts';
import type { Direction, Filter } from '../../shared/rtnetlink/filter.ts';
import { filtersAt } from '../../shared/rtnetlink/filters-at.ts';
import type { IngressQdisc } from '../../shared/rtnetlink/qdisc.ts';
import { REDIRECT_PREF } from '../plan/op.ts';
import type { Gap } from '../plan/seen.ts';
import { ALL_RULE_PREFS } from './rules.ts';

/** One side of a qdisc, ingress or egress. */
interface Side<F> {
  readonly ifindex: number;
  readonly query: Query<readonly F[]>;
}

interface Seen<F> {
  readonly filters: readonly F[];
  readonly gaps: readonly Gap[];
}

/** Sides that are read at once. With the limit for each, this bounds the memory of the replies. */
const AT_ONCE = 4;
/** Filters that are kept. A pod can add any number, and each takes some hundred bytes. */
const MAX_FILTERS = 16_384;
/**
 * Milliseconds after which no further side is read. Less than the caller waits (SCRIPT_TIMEOUT in
 * script.c). A side takes some microseconds.
 */
const READ_TIMEOUT = 10_000;

/**
 * Reads all filters of the qdiscs. If the kernel cannot list a side, because a filter of another
 * program is too large, or if a side has more than Tapwire reads, returns only the filters at our
 * prefs of that side, and a gap.
 */
export async function observeFilters<F extends Filter>(
  rtnetlink: Pick<Rtnetlink, 'look'>,
  qdiscs: readonly IngressQdisc[],
  queryOf: (qdisc: IngressQdisc, direction: Direction) => Query<readonly F[]>,
): Promise<Seen<F>> {
  const sides = qdiscs.flatMap((qdisc): Side<F>[] => {
    const directions = qdisc.kind === 'clsact' ? (['ingress', 'egress'] as const) : (['ingress'] as const);
    return directions.map((direction) => ({ ifindex: qdisc.ifindex, query: queryOf(qdisc, direction) }));
  });
  const all = await lookAt(rtnetlink, sides);
  const ours = await lookAt(
    rtnetlink,
    all.unread.flatMap(({ ifindex, query }) =>
      [REDIRECT_PREF, ...ALL_RULE_PREFS].map((pref) => ({ ifindex, query: filtersAt(query, pref) })),
    ),
  );
  for (const filter of ours.filters) all.filters.push(filter);
  return { filters: all.filters, gaps: all.gaps };
}

/** Reads sides, some at a time, as long as there is room for their filters. */
async function lookAt<F>(rtnetlink: Pick<Rtnetlink, 'look'>, sides: readonly Side<F>[]) {
  const filters: F[] = [];
  const gaps: Gap[] = [];
  const unread: Side<F>[] = [];
  const start = performance.now();
  const leave = (side: Side<F>, reason: string): void => {
    unread.push(side);
    gaps.push({ ifindex: side.ifindex, reason });
  };
  for (let at = 0; at < sides.length; at += AT_ONCE) {
    const some = sides.slice(at, at + AT_ONCE);
    const isEnough = filters.length >= MAX_FILTERS || performance.now() - start > READ_TIMEOUT;
    const answers = isEnough
      ? some.map(() => ({ refused: TOO_MUCH }))
      : (await rtnetlink.look(...some.map(({ query }) => query))).answers;
    for (const [i, side] of some.entries()) {
      const answer = answers[i] ?? [];
      if (isRefused(answer)) leave(side, answer.refused);
      else for (const filter of answer) filters.push(filter);
    }
  }
  return { filters, gaps, unread };
}
