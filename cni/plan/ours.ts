import type { Redirect } from '../../shared/rtnetlink/action.ts';
import { type Filter, isHashTable } from '../../shared/rtnetlink/filter.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import type { Netns } from '../kernel/view.ts';
import type { AttachmentKey } from '../request/request.ts';
import { type Restore, recordOf, restoreOf } from './cookie.ts';

/**
 * The lowest priority there is. Filters that come later, for which tc(8) chooses a pref, land before ours and see every frame:
 * those that count frames and let them go on must not go blind. A conflicting filter that lands there is found by CHECK,
 * inspect and the agent instead. Earlier versions of Tapwire find their filters only at this pref.
 */
export const REDIRECT_PREF = 65535;

/** One of our filters, as found. */
export interface OurFilter extends Redirect {
  readonly cookie: string;
  /** What its cookie says. */
  readonly restore: Restore;
}

/** Our filter at the ingress of a link. */
export function findOurFilter(ifindex: number, key: AttachmentKey, seen: Netns): OurFilter | null {
  for (const { redirect } of ingressFilters(ifindex, seen).filter(isInOurPlace)) {
    const cookie = redirect?.cookie ?? null;
    const restore = restoreOf(cookie, key);
    if (redirect !== null && cookie !== null && restore !== null) return { to: redirect.to, cookie, restore };
  }
  return null;
}

/** Where ADD puts a filter. One with our cookie elsewhere is forged: whoever reads the record on the tap can compute it. */
export const isInOurPlace = ({ direction, chain, pref }: Filter): boolean =>
  direction === 'ingress' && chain === 0 && pref === REDIRECT_PREF;

/**
 * Whether anything but this attachment's redirect is in the link's ingress qdisc, on either side of it. Filters that the kernel
 * cannot list are somebody else's: ours are small.
 */
export function hasOtherFilters(ifindex: number, key: AttachmentKey, seen: Netns): boolean {
  const ownTable = (filter: Filter) => filter.pref === REDIRECT_PREF && isHashTable(filter);
  return (
    seen.gaps.some((gap) => gap.ifindex === ifindex) ||
    seen.filters.some((filter) => filter.ifindex === ifindex && !isOurs(filter, key) && !ownTable(filter))
  );
}

export const isOurs = (filter: Filter, key: AttachmentKey): boolean =>
  isInOurPlace(filter) && restoreOf(filter.redirect?.cookie ?? null, key) !== null;

/** Whether a link has the kind of qdisc that ADD adds. An `ingress` qdisc is always somebody else's; ADD uses it if it is there. */
export const hasClsact = (ifindex: number, seen: Netns): boolean =>
  seen.qdiscs.some((qdisc) => qdisc.ifindex === ifindex && qdisc.kind === 'clsact');

export const hasIngressQdisc = (ifindex: number, seen: Netns): boolean =>
  seen.qdiscs.some((qdisc) => qdisc.ifindex === ifindex);

/** Whether a link's qdisc shares a block of filters with other links. ADD makes none that does, and the kernel does not list those filters by link. */
export const isShared = (ifindex: number, seen: Netns): boolean =>
  seen.qdiscs.some((qdisc) => qdisc.ifindex === ifindex && qdisc.isShared);

export const findLink = (ifname: string, seen: Netns): Link | undefined =>
  seen.links.find((link) => link.ifname === ifname);

/** The taps that carry this attachment's record: one, or none. */
export const findOurTaps = (key: AttachmentKey, seen: Netns): readonly Link[] =>
  seen.links.filter((link) => recordOf(link, key) !== null);

export const ingressFilters = (ifindex: number, seen: Netns): readonly Filter[] =>
  seen.filters.filter((filter) => filter.ifindex === ifindex && filter.direction === 'ingress');

/** What is not known of these links, in words; null if everything is. */
export function findGap(ifnames: readonly string[], seen: Netns): string | null {
  for (const { ifindex, reason } of seen.gaps) {
    if (ifindex === null) return `the netns cannot be read: ${reason}`;
    const link = seen.links.find((one) => one.ifindex === ifindex);
    if (link === undefined || !ifnames.includes(link.ifname)) continue;
    return `the kernel cannot list the filters of "${link.ifname}" (${reason}); remove those that another program added`;
  }
  return null;
}
