import type { Program, TcxProgram } from '../../shared/bpf/program.ts';
import type { Rule } from '../../shared/nftables/rule.ts';
import type { Tables } from '../../shared/nftables/table.ts';
import type { Filter } from '../../shared/rtnetlink/filter.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import type { IngressQdisc } from '../../shared/rtnetlink/qdisc.ts';
import { hashPartOf } from './cookie.ts';

/** A snapshot of a netns, as far as the planners need it. */
export interface NetnsState {
  readonly links: readonly Link[];
  readonly qdiscs: readonly IngressQdisc[];
  /** All filters; of a link in `gaps`, only those at our pref. */
  readonly filters: readonly Filter[];
  readonly gaps: readonly Gap[];
  /** Programs that run before all filters; empty if the kernel cannot list them. */
  readonly tcx: readonly TcxProgram[];
  /** eBPF programs that links and filters refer to; empty until they are read. */
  readonly programs: readonly Program[];
  readonly nftables: Nftables;
}

/** All tables, and the rules that were read: none at first. */
export interface Nftables extends Tables {
  readonly rules: readonly Rule[];
}

/**
 * Something that the kernel cannot list. DEL works without it; ADD and CHECK fail if it concerns
 * their links.
 */
export interface Gap {
  /**
   * Ifindex of the link whose filters are not all known; null if links or qdiscs may be missing,
   * because they kept changing.
   */
  readonly ifindex: number | null;
  readonly reason: string;
}

/** A link and everything that was seen at it. */
export interface SeenLink<F extends Filter = Filter> {
  readonly link: Link;
  /** Null: it has no qdisc that takes ingress filters. */
  readonly qdisc: IngressQdisc | null;
  /** Filters on both sides of the qdisc. */
  readonly filters: readonly F[];
  /** Ids of the TCX programs at its ingress. */
  readonly tcx: readonly number[];
  /** False if the kernel cannot list all of its filters. */
  readonly isComplete: boolean;
}

/** What was seen of a netns, by link. */
export interface IndexedNetns<F extends Filter = Filter> extends NetnsState {
  readonly filters: readonly F[];
  readonly byIfname: ReadonlyMap<string, SeenLink<F>>;
  readonly byIfindex: ReadonlyMap<number, SeenLink<F>>;
  /** Redirects by the part of their cookie that names an attachment. */
  readonly byCookie: ReadonlyMap<string, readonly Filter[]>;
}

/** Sorts what was seen by link, so that no planner searches it again. Linear. Pure. */
export function indexNetns<F extends Filter>(
  seen: NetnsState & { readonly filters: readonly F[] },
): IndexedNetns<F> {
  const qdiscs = new Map(seen.qdiscs.map((qdisc) => [qdisc.ifindex, qdisc]));
  const filters = Map.groupBy(seen.filters, ({ ifindex }) => ifindex);
  const tcx = Map.groupBy(seen.tcx, ({ ifindex }) => ifindex);
  const gaps = new Set(seen.gaps.map(({ ifindex }) => ifindex));
  const links = seen.links.map((link): SeenLink<F> => {
    const { ifindex } = link;
    return {
      link,
      qdisc: qdiscs.get(ifindex) ?? null,
      filters: filters.get(ifindex) ?? [],
      tcx: tcx.get(ifindex)?.map(({ program }) => program) ?? [],
      isComplete: !gaps.has(ifindex),
    };
  });
  return {
    ...seen,
    byIfname: new Map(links.map((one) => [one.link.ifname, one])),
    byIfindex: new Map(links.map((one) => [one.link.ifindex, one])),
    byCookie: Map.groupBy(seen.filters.filter(hasCookie), ({ redirect }) =>
      hashPartOf(redirect?.cookie ?? ''),
    ),
  };
}

const hasCookie = ({ redirect }: Filter): boolean => redirect !== null && redirect.cookie !== null;

/** The filters that see every frame which comes in: those of the first chain. */
export const ingressFilters = <F extends Filter>({ filters }: SeenLink<F>): readonly F[] =>
  filters.filter(({ direction, chain }) => direction === 'ingress' && chain === 0);

/** Describes what is not known of these links; null if everything is known. */
export function findGap(ifnames: readonly string[], { gaps, byIfindex }: IndexedNetns): string | null {
  for (const { ifindex, reason } of gaps) {
    if (ifindex === null) return `the netns cannot be read: ${reason}`;
    const ifname = byIfindex.get(ifindex)?.link.ifname;
    if (ifname === undefined || !ifnames.includes(ifname)) continue;
    return `not all filters of "${ifname}" can be listed (${reason}); remove those that another program added`;
  }
  return null;
}
