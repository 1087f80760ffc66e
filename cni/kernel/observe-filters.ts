import { isRefused, type Query } from '../../shared/netlink/message.ts';
import type { Rtnetlink } from '../../shared/netns/netns.ts';
import type { Direction, Filter } from '../../shared/rtnetlink/filter.ts';
import { filtersAt } from '../../shared/rtnetlink/filters-at.ts';
import type { IngressQdisc } from '../../shared/rtnetlink/qdisc.ts';
import { REDIRECT_PREF } from '../plan/op.ts';
import type { Gap } from '../plan/seen.ts';

/** One side of a qdisc, ingress or egress. */
interface Side<F> {
  readonly ifindex: number;
  readonly query: Query<readonly F[]>;
}

/**
 * Reads all filters of the qdiscs. A filter of another program can be too large for a dump, and
 * then the kernel lists none of that side: for such a side, returns only the filters at our pref,
 * and a gap.
 */
export async function observeFilters<F extends Filter>(
  rtnetlink: Pick<Rtnetlink, 'look'>,
  qdiscs: readonly IngressQdisc[],
  queryOf: (qdisc: IngressQdisc, direction: Direction) => Query<readonly F[]>,
): Promise<{ readonly filters: readonly F[]; readonly gaps: readonly Gap[] }> {
  const sides = qdiscs.flatMap((qdisc): Side<F>[] => {
    const directions = qdisc.kind === 'clsact' ? (['ingress', 'egress'] as const) : (['ingress'] as const);
    return directions.map((direction) => ({ ifindex: qdisc.ifindex, query: queryOf(qdisc, direction) }));
  });
  const all = await lookAt(rtnetlink, sides);
  const unread = sides.filter((_, i) => isRefused(all[i]));
  const ours = await lookAt(
    rtnetlink,
    unread.map(({ ifindex, query }) => ({ ifindex, query: filtersAt(query, REDIRECT_PREF) })),
  );
  return {
    filters: [...all, ...ours].flatMap((answer) => (isRefused(answer) ? [] : answer)),
    gaps: all.flatMap((answer, i) =>
      isRefused(answer) ? [{ ifindex: sides[i]?.ifindex ?? null, reason: answer.refused }] : [],
    ),
  };
}

const lookAt = async <F>(rtnetlink: Pick<Rtnetlink, 'look'>, sides: readonly Side<F>[]) =>
  sides.length === 0 ? [] : (await rtnetlink.look(...sides.map(({ query }) => query))).answers;
