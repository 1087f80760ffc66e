import type { Program, TcxProgram } from '../../shared/bpf/program.ts';
import type { Rule } from '../../shared/nftables/rule.ts';
import type { Tables } from '../../shared/nftables/table.ts';
import type { Filter } from '../../shared/rtnetlink/filter.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import type { IngressQdisc } from '../../shared/rtnetlink/qdisc.ts';

/** What of a netns matters to the planner. */
export interface NetnsState {
  readonly links: readonly Link[];
  readonly qdiscs: readonly IngressQdisc[];
  /** For a link in `gaps`, only the filters at our pref. */
  readonly filters: readonly Filter[];
  readonly gaps: readonly Gap[];
  /** Programs that run before all filters; none if the kernel does not tell. */
  readonly tcx: readonly TcxProgram[];
  /** What is known of programs that this netns refers to; none until somebody reads them. */
  readonly programs: readonly Program[];
  readonly nftables: Nftables;
}

/** All tables, and their rules as far as somebody has read them: none at first. */
export interface Nftables extends Tables {
  readonly rules: readonly Rule[];
}

/** Something that the kernel does not tell. DEL works without it, ADD and CHECK fail if it concerns their links. */
export interface Gap {
  /** Ifindex of the link whose filters are not all known; null if links or qdiscs may be missing, since they changed all the time. */
  readonly ifindex: number | null;
  readonly reason: string;
}

/** Whether a link has the kind of qdisc that ADD adds. An `ingress` qdisc is always somebody else's; ADD uses it if it is there. */
export const hasClsact = (ifindex: number, seen: NetnsState): boolean =>
  seen.qdiscs.some((qdisc) => qdisc.ifindex === ifindex && qdisc.kind === 'clsact');

export const hasIngressQdisc = (ifindex: number, seen: NetnsState): boolean =>
  seen.qdiscs.some((qdisc) => qdisc.ifindex === ifindex);

/** Whether a link's qdisc shares a block of filters with other links. ADD makes none that does, and the kernel does not list those filters by link. */
export const isShared = (ifindex: number, seen: NetnsState): boolean =>
  seen.qdiscs.some((qdisc) => qdisc.ifindex === ifindex && qdisc.isShared);

export const findLink = (ifname: string, seen: NetnsState): Link | undefined =>
  seen.links.find((link) => link.ifname === ifname);

export const ingressFilters = (ifindex: number, seen: NetnsState): readonly Filter[] =>
  seen.filters.filter((filter) => filter.ifindex === ifindex && filter.direction === 'ingress');

/** What is not known of these links, in words; null if everything is. */
export function findGap(ifnames: readonly string[], seen: NetnsState): string | null {
  for (const { ifindex, reason } of seen.gaps) {
    if (ifindex === null) return `the netns cannot be read: ${reason}`;
    const link = seen.links.find((one) => one.ifindex === ifindex);
    if (link === undefined || !ifnames.includes(link.ifname)) continue;
    return `the kernel cannot list the filters of "${link.ifname}" (${reason}); remove those that another program added`;
  }
  return null;
}
