import {
  endNamesOf,
  type RecordedAttachment,
  recordedAttachments,
} from '../../cni/bindings/tap/recorded-attachments.ts';
import { silenceTables } from '../../cni/bindings/tap/silence.ts';
import { REDIRECT_PREF } from '../../cni/plan/op.ts';
import { isRulePref } from '../../cni/plan/rule-set.ts';
import { CNI_BINDINGS, type CniBinding } from '../../shared/bindings.ts';
import { type Filter, isHashTable } from '../../shared/rtnetlink/filter.ts';
import { describeMacvtaps, strayMacvtaps } from './describe-macvtap.ts';
import { describeTaps, tableNames, tableOf } from './describe-tap.ts';
import type { Attachment, Inspection } from './inspection.ts';
import { count } from './parts.ts';
import type { Seen } from './seen.ts';

export type Found = Pick<Inspection, 'attachments' | 'strays' | 'sysctls'>;

/** Finds the attachments of Tapwire in a netns, and leftovers of it. Pure. */
export function describe(seen: Seen): Found {
  const taps = recordedAttachments(seen.links);
  const tied = new Set(endNamesOf(taps).map((ifname) => seen.byIfname.get(ifname)?.link.ifindex));
  return {
    attachments: CNI_BINDINGS.flatMap(
      (binding): readonly Attachment[] => DESCRIPTIONS[binding]?.(seen) ?? [],
    ),
    strays: [
      ...seen.filters.filter((filter) => isStray(filter, tied)).map((filter) => describeStray(filter, seen)),
      ...strayRules(tied, seen),
      ...strayTables(taps, seen),
      ...strayMacvtaps(seen),
    ],
    sysctls: seen.sysctls,
  };
}

/** How the attachments of a binding are described; null: it creates no link that has a record. */
const DESCRIPTIONS = {
  tap: describeTaps,
  macvtap: describeMacvtaps,
  passt: null,
} as const satisfies Record<CniBinding, ((seen: Seen) => readonly Attachment[]) | null>;

/** Whether a filter looks like Tapwire's but is on a link that no record names. */
function isStray({ ifindex, direction, pref, redirect }: Filter, tied: ReadonlySet<unknown>): boolean {
  const looksLikeOurs = direction === 'ingress' && pref === REDIRECT_PREF && redirect?.cookie?.length === 32;
  return looksLikeOurs && !tied.has(ifindex);
}

function describeStray({ ifindex, redirect }: Filter, { byIfindex }: Seen): string {
  const nameOf = (wanted = 0) => byIfindex.get(wanted)?.link.ifname ?? 'a deleted link';
  return (
    `"${nameOf(ifindex)}" has a redirect to ${nameOf(redirect?.to)} that looks like Tapwire's, but no tap has a record of it; ` +
    'DEL of the attachment removes it, and so does deleting the pod'
  );
}

/** Describes rules of guest services or a spoof guard on links that no record names. */
function strayRules(tied: ReadonlySet<unknown>, { filters, byIfindex }: Seen): readonly string[] {
  const strays = filters.filter(
    (filter) =>
      filter.direction === 'ingress' &&
      isRulePref(filter.pref) &&
      filter.rule !== null &&
      !isHashTable(filter) &&
      !tied.has(filter.ifindex),
  );
  return [...Map.groupBy(strays, ({ ifindex }) => ifindex)].map(
    ([ifindex, { length }]) =>
      `"${byIfindex.get(ifindex)?.link.ifname}" has rules for frames (${count(length, 'filter')}) that look like Tapwire's, ` +
      `but no tap has a record of them; ${REMOVAL}`,
  );
}

const REMOVAL = 'DEL of the attachment removes this, and so does deleting the pod';

function strayTables(attachments: readonly RecordedAttachment[], seen: Seen): readonly string[] {
  const tied = new Set(attachments.map((attachment) => tableOf(attachment, seen)));
  return tableNames(seen)
    .filter((name) => !tied.has(name))
    .map((name) => describeTables(name, seen));
}

function describeTables(name: string, { nftables }: Seen): string {
  const tables = silenceTables(nftables).filter((table) => table.name === name);
  return tables.every(({ family }) => family === 'netdev')
    ? `nftables table "${name}" of family netdev drops what guests and networks send and looks like Tapwire's, ` +
        `but no tap has a record of it; ${REMOVAL}`
    : `nftables tables "${name}" drop what the pod sends and look like Tapwire's, but no tap has a record of them; ${REMOVAL}`;
}
