import { encodeRecord, type MacvtapRecord } from '../../../shared/record.ts';
import { IFF_ALLMULTI, IFF_PROMISC, IFF_UP, type Link } from '../../../shared/rtnetlink/link.ts';
import type { NewMacvtap } from '../../../shared/rtnetlink/macvtap.ts';
import { type Level, type Step, setLink } from '../../plan/op.ts';
import type { Earlier } from './requirements.ts';

/** Length of the queue in frames if the lower device has none; QEMU gets no frames without one. */
const TXQLEN = 1000;
/** A longer queue does not fit into the ring that QEMU reads. */
const MAX_TXQLEN = 2 ** 19;

/** A macvtap with its final name, index, MAC, MTU and queues. Pure. */
export function newMacvtap(record: MacvtapRecord, ifindex: number, lower: Link, queues: number): NewMacvtap {
  const { key, mode, mac, mtu, promisc } = record;
  const txqlen = lower.txqlen > 0 && lower.txqlen <= MAX_TXQLEN ? lower.txqlen : TXQLEN;
  return { ifname: key.ifname, ifindex, lower: lower.ifindex, mode, mac, mtu, txqlen, queues, promisc };
}

/**
 * Decides every change of ADD. Plans only what is missing: a second ADD changes nothing but a wrong
 * device node, and an ADD after a crash completes what the first began. Pure.
 *
 * The order is the contract. The link carries its record before anything else is done to it, IPv6
 * is off before it goes up, and the device node is verified last.
 */
export function planAdd(record: MacvtapRecord, macvtap: NewMacvtap, earlier: Earlier): readonly Level[] {
  const { ifname: link, ifindex } = macvtap;
  const { owner, group } = record;
  const seen = typeof earlier === 'string' ? null : earlier;
  const levels: readonly (readonly Step[])[] = [
    earlier === 'unfinished' ? [{ do: { op: 'deleteLink', link }, undo: [] }] : [],
    seen === null ? [{ do: { op: 'freeDeviceNode', ifindex }, undo: [] }] : [],
    seen === null ? [planLink(macvtap)] : [],
    planSettings(record, seen),
    planUp(link, seen),
    record.mode === 'passthru' ? planMulticast(record, seen) : [],
    [{ do: { op: 'claimDeviceNode', link, ifindex, owner, group }, undo: [] }],
  ];
  return levels.filter((level) => level.length > 0);
}

/** Adds the link. The undo deletes it, which also undoes every later change to it. */
const planLink = (macvtap: NewMacvtap): Step => ({
  do: { op: 'addMacvtap', macvtap },
  undo: [
    { op: 'deleteLink', link: macvtap.ifname },
    { op: 'deleteDeviceNode', ifindex: macvtap.ifindex },
  ],
});

/** Writes the record and quietens the link. Changes only what differs after an earlier ADD. */
function planSettings(record: MacvtapRecord, seen: Link | null): Step[] {
  const link = record.key.ifname;
  const steps: Step[] = [];
  if (seen === null) {
    steps.push({ do: setLink(link, { set: 'alias', ifalias: encodeRecord(record) }), undo: [] });
    steps.push({ do: setLink(link, { set: 'addrgenmode none' }), undo: [] });
    // The kernel has given it the MAC of the lower device, which gets this one as well, and its own
    // back when the macvtap is deleted.
    if (record.mode === 'passthru')
      steps.push({ do: setLink(link, { set: 'address', mac: record.mac }), undo: [] });
  }
  if (record.mode !== 'passthru') steps.push(...planMulticast(record, seen));
  if (record.promisc && ((seen?.flags ?? 0) & IFF_PROMISC) === 0)
    steps.push({ do: setLink(link, { set: 'promisc', on: true }), undo: [] });
  if (seen?.macvtap?.hasIpv6 ?? true) steps.push({ do: { op: 'disableIpv6', link }, undo: [] });
  return steps;
}

/**
 * Turns allmulticast on, which the kernel passes on to the lower device when the link goes up. In
 * mode passthru, it passes on only changes while the link is up, and does not undo them when it
 * deletes the link.
 */
function planMulticast({ key, mode, allmulticast }: MacvtapRecord, seen: Link | null): Step[] {
  if (!allmulticast || ((seen?.flags ?? 0) & IFF_ALLMULTI) !== 0) return [];
  const turn = (on: boolean) => setLink(key.ifname, { set: 'allmulticast', on });
  return [{ do: turn(true), undo: mode === 'passthru' ? [turn(false)] : [] }];
}

function planUp(link: string, seen: Link | null): Step[] {
  if (seen !== null && (seen.flags & IFF_UP) !== 0) return [];
  const setUp = (on: boolean) => setLink(link, { set: 'up', on });
  return [{ do: setUp(true), undo: seen === null ? [] : [setUp(false)] }];
}
