import { findDefects } from '../../cni/bindings/tap/check.ts';
import type { Counted } from '../../cni/bindings/tap/count-rules.ts';
import {
  conflictsOf,
  endsOfRecorded,
  namesOf,
  type RecordedAttachment,
  recordedAttachments,
} from '../../cni/bindings/tap/recorded-attachments.ts';
import { findSilence, silenceTables } from '../../cni/bindings/tap/silence.ts';
import { type Served, servedBy } from '../../cni/bindings/tap/silence-rules.ts';
import { isHashed } from '../../cni/plan/ours.ts';
import type { Address } from '../../shared/rtnetlink/address.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import type { PodLink, Redirect, TapAttachment } from './inspection.ts';
import { isUp, type Seen } from './seen.ts';

/** Describes the attachments whose taps have a record. Pure. */
export const describeTaps = (seen: Seen): readonly TapAttachment[] =>
  recordedAttachments(seen.links).flatMap((attachment) => describe(attachment, seen));

function describe(attachment: RecordedAttachment, seen: Seen): readonly TapAttachment[] {
  const { link: tap, record } = attachment;
  const { key, podLink } = record;
  const { tun } = tap;
  if (tun === null) return [];
  const ends = endsOfRecorded(attachment, seen);
  const pod = ends.pod?.link;
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
      silence: droppedBetween(podLink, tap.ifname, servedBy(record.passage), seen),
      defects: isHashed(key) ? [] : findDefects({ ...namesOf(attachment), conf: tun }, ends),
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
  const filter = filters.find(
    ({ direction, redirect }) => direction === 'ingress' && redirect !== null && redirect.to === to?.ifindex,
  );
  if (filter === undefined) return null;
  return { classifier: filter.kind, ...(filter.traffic ?? { packets: 0, bytes: 0 }) };
}

/** Names of nftables tables that look like Tapwire's. */
export const tableNames = ({ nftables }: Seen): readonly string[] => [
  ...new Set(silenceTables(nftables).map(({ name }) => name)),
];

/**
 * Counts dropped frames. Tries every table, because a record may hold only a hash of the key that
 * the table is named after.
 */
function droppedBetween(podLink: string, tap: string, served: Served | null, seen: Seen): Counted | null {
  const dropped = tableNames(seen).map((name) => findSilence(name, [podLink, tap], seen.nftables, served));
  return dropped.find((one) => one !== null) ?? null;
}
