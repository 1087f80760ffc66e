import { isChosenIfindex } from '../../shared/kubelet/device-id.ts';
import {
  type AttachmentKey,
  type AttachmentRecord,
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
import { isRuleOf, isRuleTable, ruleOwner } from './rule-set.ts';
import type { SeenLink } from './seen.ts';

/** One of our filters as the kernel shows it. */
export interface OurFilter extends Redirect {
  readonly cookie: string;
  /** Decoded from the cookie. */
  readonly restore: Restore;
}

/** Finds the filter of an attachment at the ingress of a link. */
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
 * Whether a filter is where ADD puts ours. A filter with our cookie in any other place is forged: a
 * process in the pod can compute the cookie from the record.
 */
export const isInOurPlace = ({ direction, chain, pref }: Filter): boolean =>
  direction === 'ingress' && chain === 0 && pref === REDIRECT_PREF;

/**
 * Whether the qdisc of a link has filters, at ingress or egress, other than those of this
 * attachment. Filters that the kernel cannot list belong to other programs: those of Tapwire are
 * small enough to be listed.
 */
export function hasOtherFilters({ filters, isComplete }: SeenLink, key: AttachmentKey): boolean {
  const isOwnTable = (filter: Filter) =>
    isRuleTable(filter) || (filter.pref === REDIRECT_PREF && isHashTable(filter));
  return !isComplete || filters.some((filter) => !isOurs(filter, key) && !isOwnTable(filter));
}

/** Whether a filter is the redirect of this attachment, or one of its rules. */
export const isOurs = (filter: Filter, key: AttachmentKey): boolean =>
  isRuleOf(filter, ruleOwner(key)) ||
  (isInOurPlace(filter) && restoreOf(filter.redirect?.cookie ?? null, key) !== null);

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

/** Reads the record of this attachment's tap; null for every other link. */
export function tapRecordOf(link: Link, key: AttachmentKey): TapRecord | null {
  const record = recordOf(link, key);
  return record?.binding === 'tap' ? record : null;
}

/**
 * Whether a link is the macvtap of an ADD that ended before it wrote the record: nothing but the
 * record can be written to it later than its name and index, which only Tapwire combines like this.
 */
export const isUnfinishedMacvtap = (
  { macvtap, ifname, ifindex, ifalias }: Link,
  key: AttachmentKey,
): boolean => macvtap !== null && ifname === key.ifname && isChosenIfindex(ifindex) && !ifalias;

/**
 * Describes who created a link, for error messages: `the Tapwire link of "net1" in container "…"`.
 */
export function describeLinkOwner(link: Link): string {
  const record = readRecord(link);
  if (record === null) return `a ${link.kind ?? 'physical'} link that Tapwire did not make`;
  return `the Tapwire link of "${record.key.ifname}" in container "${record.key.containerId}"`;
}
