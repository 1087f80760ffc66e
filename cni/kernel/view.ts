import { BindingError } from '../../shared/errors.ts';
import { isChosenIfindex } from '../../shared/kubelet/device-id.ts';
import { isRefused, type Refused } from '../../shared/netlink/message.ts';
import type { Rtnetlink } from '../../shared/netns/netns.ts';
import { allTables } from '../../shared/nftables/table.ts';
import { type Filter, filtersOf } from '../../shared/rtnetlink/filter.ts';
import { allLinks, type Link } from '../../shared/rtnetlink/link.ts';
import { type IngressQdisc, ingressQdiscs } from '../../shared/rtnetlink/qdisc.ts';
import { describeOp, linksOf, type Op } from '../plan/op.ts';
import type { Gap, NetnsState } from '../plan/seen.ts';
import type { Known } from './encode-op.ts';
import { observeFilters } from './observe-filters.ts';
import type { Classifiers } from './redirects.ts';

/** The state of a netns as last read, and the changes since. */
export interface View {
  observe(): Promise<NetnsState>;
  /** Whether all links of the op are known. */
  knows(op: Op): boolean;
  /** Lists the links again. */
  findLinks(): Promise<void>;
  /** Records a new link. @param ifindex 0 if unknown */
  addLink(link: string, ifindex: number): void;
  /** Records that the filters have changed since they were read. */
  forgetFilters(): void;
  known(op: Op): Known;
}

/**
 * Keeps the last state that was read from a netns. `observe` reads links, qdiscs, filters, TCX
 * programs and nftables tables; `findLinks` reads only the links. `knows` and `known` use that
 * state, and the other methods record later changes.
 */
export function viewOf(rtnetlink: Rtnetlink, classifiers: Classifiers, labelled: Known['labelled']): View {
  const ifindexes = new Map<string, number>();
  let qdiscs: ReadonlyMap<number, IngressQdisc> = new Map();
  /** Filters by ifindex; null if they may have changed since they were read. */
  let filters: ReadonlyMap<number, readonly Filter[]> | null = null;

  const setLinks = (links: readonly Link[]): void => {
    ifindexes.clear();
    for (const { ifname, ifindex } of links) ifindexes.set(ifname, ifindex);
  };

  return {
    async observe() {
      const { answers, unsettled, tcx } = await rtnetlink.look(allLinks, ingressQdiscs, allTables);
      const links = withUniqueNames(given(answers[0]));
      // Each netns has at least `lo`: the kernel did not list any.
      if (links.length === 0 && unsettled !== null) throw unreadable(unsettled);
      setLinks(links);
      const listed = given(answers[1]);
      qdiscs = new Map(listed.map((qdisc) => [qdisc.ifindex, qdisc]));
      const seen = await observeFilters(rtnetlink, listed, filtersOf);
      filters = Map.groupBy(seen.filters, ({ ifindex }) => ifindex);
      const changes: Gap[] = unsettled === null ? [] : [{ ifindex: null, reason: unsettled }];
      const gaps = [...changes, ...seen.gaps];
      const nftables = { ...given(answers[2]), rules: [] };
      return { links, qdiscs: listed, filters: seen.filters, gaps, tcx, programs: [], nftables };
    },
    knows: (op) => linksOf(op).every((link) => ifindexes.has(link)),
    async findLinks() {
      const [links] = await rtnetlink.ask(allLinks);
      setLinks(links);
    },
    addLink(link, ifindex) {
      if (ifindex > 0) ifindexes.set(link, ifindex);
    },
    forgetFilters() {
      filters = null;
    },
    known: (op) => ({
      ifindexOf(link) {
        const ifindex = ifindexes.get(link);
        if (ifindex !== undefined) return ifindex;
        throw new BindingError('LINK_MISSING', `Cannot ${describeOp(op)}: there is no "${link}"`);
      },
      freeIfindex() {
        const last = Math.max(0, ...[...ifindexes.values()].filter((one) => !isChosenIfindex(one)));
        return last === 0 || isChosenIfindex(last + 1) ? 0 : last + 1;
      },
      labelled,
      qdiscOf: (ifindex) => qdiscs.get(ifindex)?.kind ?? 'clsact',
      classifier: classifiers.candidates.length === 1 ? (classifiers.candidates[0] ?? null) : null,
      guardForm: classifiers.guardForms.length === 1 ? (classifiers.guardForms[0] ?? null) : null,
      filters,
    }),
  };
}

/**
 * Tells links of one name apart, so that ops that name a link change the one that was seen. The
 * kernel lists a name twice if links are renamed while it writes the dump. No real name has spaces.
 * Pure.
 */
export function withUniqueNames(links: readonly Link[]): readonly Link[] {
  const names = new Set<string>();
  return links.map((link) => {
    const { ifname, ifindex } = link;
    const isTaken = names.has(ifname);
    names.add(ifname);
    return isTaken ? { ...link, ifname: `${ifname} (ifindex ${ifindex})` } : link;
  });
}

/**
 * Returns the result of a query. Throws if the kernel refused it, because the call cannot continue.
 *
 * @throws {BindingError} KERNEL_REFUSED
 */
function given<T>(answer: T | Refused): T {
  if (!isRefused(answer)) return answer;
  throw unreadable(answer.refused);
}

const unreadable = (reason: string): BindingError =>
  new BindingError('KERNEL_REFUSED', `Cannot read the state of the netns: ${reason}`);
