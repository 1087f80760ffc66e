import { findDefects } from '../../cni/bindings/tap/check.ts';
import {
  conflictsOf,
  endNamesOf,
  endsOfRecorded,
  namesOf,
  type RecordedAttachment,
  recordedAttachments,
} from '../../cni/bindings/tap/recorded-attachments.ts';
import { type Dropped, findSilence, silenceTable, silenceTables } from '../../cni/bindings/tap/silence.ts';
import { REDIRECT_PREF } from '../../cni/plan/op.ts';
import { isHashed } from '../../cni/plan/ours.ts';
import type { IndexedNetns } from '../../cni/plan/seen.ts';
import type { CniBinding } from '../../shared/bindings.ts';
import type { Sysctls } from '../../shared/netns/part.ts';
import type { Address } from '../../shared/rtnetlink/address.ts';
import type { CountedFilter } from '../../shared/rtnetlink/counters.ts';
import type { Filter } from '../../shared/rtnetlink/filter.ts';
import { IFF_UP, type Link } from '../../shared/rtnetlink/link.ts';
import type { Attachment, Holder, Inspection, PodLink, Redirect } from './inspection.ts';

/** Everything that was observed in a netns. */
export interface Seen extends IndexedNetns<CountedFilter> {
  readonly addresses: readonly Address[];
  readonly sysctls: Sysctls | null;
  /** Processes that have a tap open, by name of the tap. */
  readonly holders: ReadonlyMap<string, readonly Holder[]>;
}

export type Found = Pick<Inspection, 'attachments' | 'strays' | 'sysctls'>;

/** Finds the attachments of Tapwire in a netns, and leftovers of it. Pure. */
export function describe(seen: Seen): Found {
  const attachments = recordedAttachments(seen.links);
  const tied = new Set(endNamesOf(attachments).map((ifname) => seen.byIfname.get(ifname)?.link.ifindex));
  return {
    attachments: attachments.flatMap((one) => DESCRIPTIONS[one.record.binding]?.(one, seen) ?? []),
    strays: [
      ...seen.filters.filter((filter) => isStray(filter, tied)).map((filter) => describeStray(filter, seen)),
      ...strayTables(attachments, seen),
    ],
    sysctls: seen.sysctls,
  };
}

function describeTap(attachment: RecordedAttachment, seen: Seen): Attachment | null {
  const { link: tap, record } = attachment;
  const { key, podLink } = record;
  const { tun } = tap;
  if (tun === null) return null;
  const ends = endsOfRecorded(attachment, seen);
  const pod = ends.pod?.link;
  return {
    ...key,
    binding: record.binding,
    podLink: pod === undefined ? null : describePodLink(pod, seen.addresses),
    tap: {
      name: tap.ifname,
      mac: tap.mac,
      mtu: tap.mtu,
      isUp: isUp(tap),
      owner: tun.owner,
      group: tun.group,
      multiQueue: tun.multiQueue,
      persistent: tun.persist,
      holders: seen.holders.get(tap.ifname) ?? [],
    },
    toTap: redirectBetween(pod, tap, seen),
    toPodLink: redirectBetween(tap, pod, seen),
    // What the NAD asked for is not known here, so what the tap has is right. Filters cannot be
    // told by half a key.
    filters: conflictsOf(attachment, ends).map(({ link, what, verdict }) => ({
      link,
      filter: what,
      verdict,
    })),
    silence: droppedBetween(podLink, tap.ifname, seen),
    defects: isHashed(key) ? [] : findDefects({ ...namesOf(attachment), conf: tun }, ends),
  };
}

const isUp = ({ flags }: Link): boolean => (flags & IFF_UP) !== 0;

function describePodLink(link: Link, addresses: readonly Address[]): PodLink {
  const { ifname: name, kind, mac, mtu } = link;
  const own = addresses.filter(({ ifindex }) => ifindex === link.ifindex);
  return {
    name,
    kind,
    mac,
    mtu,
    isUp: isUp(link),
    hasCarrier: link.hasCarrier,
    addresses: own.map(({ local, prefixLength }) => `${local}/${prefixLength}`),
  };
}

function redirectBetween(from: Link | undefined, to: Link | undefined, seen: Seen): Redirect | null {
  const filters = (from && seen.byIfindex.get(from.ifindex)?.filters) ?? [];
  const filter = filters.find(
    ({ direction, redirect }) => direction === 'ingress' && redirect !== null && redirect.to === to?.ifindex,
  );
  if (filter === undefined) return null;
  return { classifier: filter.kind, ...(filter.traffic ?? { packets: 0, bytes: 0 }) };
}

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

/** How an attachment is described; null: its binding creates no link, and so leaves no record. */
const DESCRIPTIONS = { tap: describeTap, passt: null } as const satisfies Record<
  CniBinding,
  ((attachment: RecordedAttachment, seen: Seen) => Attachment | null) | null
>;

/** Names of nftables tables that look like Tapwire's. */
const tableNames = ({ nftables }: Seen): readonly string[] => [
  ...new Set(silenceTables(nftables).map(({ name }) => name)),
];

/**
 * Counts dropped frames. Tries every table, because a record may hold only a hash of the key that
 * the table is named after.
 */
function droppedBetween(podLink: string, tap: string, seen: Seen): Dropped | null {
  const dropped = tableNames(seen).map((name) => findSilence(name, [podLink, tap], seen.nftables));
  return dropped.find((one) => one !== null) ?? null;
}

function strayTables(attachments: readonly RecordedAttachment[], seen: Seen): readonly string[] {
  const isTied = (name: string) =>
    attachments.some(({ link, record: { key, podLink } }) =>
      isHashed(key)
        ? findSilence(name, [podLink, link.ifname], seen.nftables) !== null
        : silenceTable(key) === name,
    );
  return tableNames(seen)
    .filter((name) => !isTied(name))
    .map(
      (name) =>
        `nftables tables "${name}" drop what the pod sends and look like Tapwire's, but no tap has a record of them; ` +
        'DEL of the attachment removes them, and so does deleting the pod',
    );
}
