/**
 * The filters of an attachment that decide which frames the redirect gets: rules of guest services
 * and of the spoof guard. Each carries a class id, half of which names the attachment, and half the
 * whole set, so that CHECK sees whether the set is as ADD left it.
 */
import type { AttachmentKey } from '../../shared/record.ts';
import type { Filter } from '../../shared/rtnetlink/filter.ts';
import { isHashTable } from '../../shared/rtnetlink/filter.ts';
import { BPF_RULE_PREF, RULE_PREFS, type RuleContent } from '../../shared/rtnetlink/rule-filter.ts';
import { cookieHash } from './cookie.ts';
import type { SeenLink } from './seen.ts';

/** What was seen of an attachment's rules on a link. */
export interface RuleSet {
  /** Number of filters. */
  readonly filters: number;
  /** What identifies the set; null if there is none, or if it is not as ADD left it. */
  readonly digest: number | null;
}

/** The half of a class id that names an attachment: 16 bits. */
export const ruleOwner = (key: AttachmentKey): number => Number.parseInt(cookieHash(key).slice(0, 4), 16);

export const ruleId = (owner: number, digest: number): number => ((owner << 16) | digest) >>> 0;

/** Whether a filter is at the place of a rule and has the class id of this owner. */
export const isRuleOf = ({ direction, chain, pref, rule }: Filter, owner: number): boolean =>
  direction === 'ingress' && chain === 0 && isRulePref(pref) && rule !== null && rule.id >>> 16 === owner;

export const isRulePref = (pref: number): boolean => pref >= BPF_RULE_PREF && pref <= RULE_PREFS.all;

/** Whether this is a table of u32 that came with our rules, and goes with them. */
export const isRuleTable = (filter: Filter): boolean => isRulePref(filter.pref) && isHashTable(filter);

/**
 * Identifies a set of filters by their contents and order: 16 bits, never 0. The order of those of
 * different prefs does not matter, because the kernel tries the lowest pref first.
 */
export function digestOf(contents: readonly Pick<RuleContent, 'pref' | 'content'>[]): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (const { pref, content } of contents.toSorted((one, other) => one.pref - other.pref)) {
    hash = Math.imul(hash ^ pref, 0x01000193);
    hash = Math.imul(hash ^ content, 0x01000193);
    hash = Math.imul(hash ^ (content >>> 16), 0x01000193);
  }
  return (hash >>> 16) ^ (hash & 0xffff) || 1;
}

/**
 * Finds the rules of an attachment on a link. Linear in its filters. Pure.
 *
 * @param to ifindex of the link that its redirects must have as their target
 */
export function findRules({ filters }: SeenLink, owner: number, to: number | null): RuleSet {
  const own = filters
    .filter((filter) => isRuleOf(filter, owner))
    .sort((one, other) => one.pref - other.pref || one.handle - other.handle);
  const digest = digestOf(own.map(({ pref, rule }) => ({ pref, content: rule?.content ?? 0 })));
  const isWhole = own.every(
    ({ rule, redirect }) =>
      ((rule?.id ?? 0) & 0xffff) === digest && (redirect === null || redirect.to === to),
  );
  return { filters: own.length, digest: own.length > 0 && isWhole ? digest : null };
}
