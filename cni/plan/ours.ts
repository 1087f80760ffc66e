import {
  type AttachmentKey,
  HASHED,
  hashed,
  type Restore,
  readRecord,
  type TapRecord,
} from '../../shared/record.ts';
import type { Redirect } from '../../shared/rtnetlink/action.ts';
import { type Filter, isHashTable } from '../../shared/rtnetlink/filter.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { restoreOf } from './cookie.ts';
import { REDIRECT_PREF } from './op.ts';
import { ingressFilters, type NetnsState } from './seen.ts';

/** One of our filters, as found. */
export interface OurFilter extends Redirect {
  readonly cookie: string;
  /** What its cookie says. */
  readonly restore: Restore;
}

/** Our filter at the ingress of a link. */
export function findOurFilter(ifindex: number, key: AttachmentKey, seen: NetnsState): OurFilter | null {
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
export function hasOtherFilters(ifindex: number, key: AttachmentKey, seen: NetnsState): boolean {
  const ownTable = (filter: Filter) => filter.pref === REDIRECT_PREF && isHashTable(filter);
  return (
    seen.gaps.some((gap) => gap.ifindex === ifindex) ||
    seen.filters.some((filter) => filter.ifindex === ifindex && !isOurs(filter, key) && !ownTable(filter))
  );
}

export const isOurs = (filter: Filter, key: AttachmentKey): boolean =>
  isInOurPlace(filter) && restoreOf(filter.redirect?.cookie ?? null, key) !== null;

/** The taps that carry this attachment's record: one, or none. */
export const findOurTaps = (key: AttachmentKey, seen: NetnsState): readonly Link[] =>
  seen.links.filter((link) => recordOf(link, key) !== null);

/** Whether a record had no room for the container id of the key, and holds a hash of it instead. */
export const isHashed = ({ containerId }: AttachmentKey): boolean => containerId.startsWith(HASHED);

/** The record of a tap that Tapwire made for this attachment; null for every other link, whatever its alias says. */
export function recordOf(link: Link, key: AttachmentKey): TapRecord | null {
  const record = readRecord(link);
  if (record === null || record.key.ifname !== key.ifname) return null;
  const { containerId } = record.key;
  return containerId === key.containerId || containerId === hashed(key.containerId)
    ? { ...record, key }
    : null;
}

/** Whose link it is, for error messages: `Tapwire's for container "…", "net1"`. */
export function describeLinkOwner(link: Link): string {
  const record = readRecord(link);
  if (record === null) return `a ${link.kind ?? 'physical'} link that Tapwire did not make`;
  return `Tapwire's for container "${record.key.containerId}", "${record.key.ifname}"`;
}
