import { findDefects } from '../../cni/bindings/tap/check.ts';
import { sumOf } from '../../cni/bindings/tap/count-rules.ts';
import type { NetnsFacts } from '../../cni/bindings/tap/passage-defects.ts';
import {
  conflictsOf,
  endsOfRecorded,
  namesOf,
  type RecordedAttachment,
  recordedAttachments,
} from '../../cni/bindings/tap/recorded-attachments.ts';
import { findSilence, silenceTable, silenceTables } from '../../cni/bindings/tap/silence.ts';
import { servedBy } from '../../cni/bindings/tap/silence-rules.ts';
import { isHashed } from '../../cni/plan/ours.ts';
import type { Address } from '../../shared/rtnetlink/address.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { describePassage } from './describe-passage.ts';
import type { PodLink, Redirect, TapAttachment } from './inspection.ts';
import { isUp, type Seen } from './seen.ts';

/** Describes the attachments whose taps have a record. Pure. */
export const describeTaps = (seen: Seen): readonly TapAttachment[] =>
  recordedAttachments(seen.links).flatMap((attachment) => describe(attachment, seen));

function describe(attachment: RecordedAttachment, seen: Seen): readonly TapAttachment[] {
  const { link: tap, record } = attachment;
  const { key } = record;
  const { tun } = tap;
  if (tun === null) return [];
  const ends = endsOfRecorded(attachment, seen);
  const pod = ends.pod?.link;
  const table = tableOf(attachment, seen);
  return [
    {
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
      silence: table === null ? null : silenceOf(attachment, table, seen),
      passage: describePassage(attachment, table, seen),
      defects: isHashed(key)
        ? []
        : findDefects({ ...namesOf(attachment), conf: tun }, ends, netnsFactsOf(seen)),
    },
  ];
}

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
  const redirects = filters.filter(
    ({ direction, redirect }) => direction === 'ingress' && redirect !== null && redirect.to === to?.ifindex,
  );
  const last = redirects.at(-1); // The others are rules of a spoof guard.
  if (last === undefined) return null;
  return { classifier: last.kind, ...sumOf(redirects.map(({ traffic }) => traffic ?? NO_TRAFFIC)) };
}

const NO_TRAFFIC = { packets: 0, bytes: 0 };

/** Null on Linux before 4.11, which lacks these sysctls. */
const netnsFactsOf = ({ addresses, sysctls }: Seen): NetnsFacts | null =>
  sysctls === null ? null : { addresses, sysctls };

/** Names of nftables tables that look like Tapwire's. */
export const tableNames = ({ nftables }: Seen): readonly string[] => [
  ...new Set(silenceTables(nftables).map(({ name }) => name)),
];

/** Counts what the pod's own stack could not send. */
const silenceOf = ({ link, record: { podLink, passage } }: RecordedAttachment, table: string, seen: Seen) =>
  findSilence(table, [podLink, link.ifname], seen.nftables, servedBy(passage));

/**
 * Finds the name of an attachment's nftables tables; null if it is unknown. A record may hold only
 * a hash of the key that they are named after: then their rules must fit.
 */
export function tableOf(attachment: RecordedAttachment, seen: Seen): string | null {
  const { key } = attachment.record;
  if (!isHashed(key)) return silenceTable(key);
  return tableNames(seen).find((name) => silenceOf(attachment, name, seen) !== null) ?? null;
}
