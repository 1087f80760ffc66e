import type { Filter, Redirect } from '../shared/rtnetlink/filter.ts';
import type { Link } from '../shared/rtnetlink/link.ts';
import type { Netns } from './kernel.ts';
import { type Restore, recordOf, restoreOf } from './record.ts';
import type { AttachmentKey } from './request.ts';

/** High, so that filters which others put on the same link at low numbers come first. */
export const REDIRECT_PREF = 29815; // "tw"

/** One of our filters, as found. */
export interface OurFilter extends Redirect {
  readonly cookie: string;
  /** What its cookie says. */
  readonly restore: Restore;
}

/** Our filter at the ingress of a link. */
export function findOurFilter(ifindex: number, key: AttachmentKey, seen: Netns): OurFilter | null {
  for (const { redirect } of ingressFilters(ifindex, seen)) {
    const cookie = redirect?.cookie ?? null;
    const restore = restoreOf(cookie, key);
    if (redirect !== null && cookie !== null && restore !== null) return { to: redirect.to, cookie, restore };
  }
  return null;
}

/** A filter of somebody else that takes frames away from the ingress of a link. */
export function findForeignRedirect(ifindex: number, key: AttachmentKey, seen: Netns): Filter | null {
  const isForeign = ({ redirect }: Filter) => redirect !== null && restoreOf(redirect.cookie, key) === null;
  return ingressFilters(ifindex, seen).find(isForeign) ?? null;
}

/** Whether anything but our redirect is in the link's ingress qdisc. */
export function hasOtherFilters(ifindex: number, seen: Netns): boolean {
  return seen.filters.some((filter) => filter.ifindex === ifindex && filter.pref !== REDIRECT_PREF);
}

export const hasIngressQdisc = (ifindex: number, seen: Netns): boolean =>
  seen.qdiscs.some((qdisc) => qdisc.ifindex === ifindex);

export const findLink = (ifname: string, seen: Netns): Link | undefined =>
  seen.links.find((link) => link.ifname === ifname);

/** The taps that carry this attachment's record: one, or none. */
export const findOurTaps = (key: AttachmentKey, seen: Netns): readonly Link[] =>
  seen.links.filter((link) => recordOf(link, key) !== null);

const ingressFilters = (ifindex: number, seen: Netns): readonly Filter[] =>
  seen.filters.filter((filter) => filter.ifindex === ifindex && filter.direction === 'ingress');
