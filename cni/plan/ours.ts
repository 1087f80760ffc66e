import {
  type AttachmentKey,
  type AttachmentRecord,
  HASHED,
  hashed,
  type Restore,
  readRecord,
} from '../../shared/record.ts';
import type { Redirect } from '../../shared/rtnetlink/action.ts';
import { type Filter, isHashTable } from '../../shared/rtnetlink/filter.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { restoreOf } from './cookie.ts';
import { REDIRECT_PREF } from './op.ts';
import type { SeenLink } from './seen.ts';

/** One of our filters as the kernel shows it. */
export interface OurFilter extends Redirect {
  readonly cookie: string;
  /** Decoded from the cookie. */
  readonly restore: Restore;
}

/** Finds our filter at the ingress of a link. */
export function findOurFilter({ filters }: SeenLink, key: AttachmentKey): OurFilter | null {
  for (const filter of filters) {
    if (!isInOurPlace(filter)) continue;
    const { redirect } = filter;
    const cookie = redirect?.cookie ?? null;
    const restore = restoreOf(cookie, key);
    if (redirect !== null && cookie !== null && restore !== null) return { to: redirect.to, cookie, restore };
  }
  return null;
}

/**
 * Whether a filter is where ADD puts ours. One with our cookie elsewhere is forged: the cookie can
 * be computed from the record.
 */
export const isInOurPlace = ({ direction, chain, pref }: Filter): boolean =>
  direction === 'ingress' && chain === 0 && pref === REDIRECT_PREF;

/**
 * Whether the qdisc of a link has filters other than this attachment's redirect, on either side.
 * Filters that the kernel cannot list belong to other programs: ours are small.
 */
export function hasOtherFilters({ filters, isComplete }: SeenLink, key: AttachmentKey): boolean {
  const isOwnTable = (filter: Filter) => filter.pref === REDIRECT_PREF && isHashTable(filter);
  return !isComplete || filters.some((filter) => !isOurs(filter, key) && !isOwnTable(filter));
}

export const isOurs = (filter: Filter, key: AttachmentKey): boolean =>
  isInOurPlace(filter) && restoreOf(filter.redirect?.cookie ?? null, key) !== null;

/** Whether the key of a record contains a hash, because the container id did not fit. */
export const isHashed = ({ containerId }: AttachmentKey): boolean => containerId.startsWith(HASHED);

/**
 * Reads the record of a link that Tapwire created for this attachment; null for every other link.
 */
export function recordOf(link: Link, key: AttachmentKey): AttachmentRecord | null {
  const record = readRecord(link);
  if (record === null || record.key.ifname !== key.ifname) return null;
  const { containerId } = record.key;
  return containerId === key.containerId || containerId === hashed(key.containerId)
    ? { ...record, key }
    : null;
}

/** Describes the owner of a link for error messages: `Tapwire's for container "…", "net1"`. */
export function describeLinkOwner(link: Link): string {
  const record = readRecord(link);
  if (record === null) return `a ${link.kind ?? 'physical'} link that Tapwire did not make`;
  return `Tapwire's for container "${record.key.containerId}", "${record.key.ifname}"`;
}
