import type { AttachmentKey, Restore } from '../../shared/record.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { ownTables, silenceTable } from '../bindings/tap/silence.ts';
import { type Op, setLink } from './op.ts';
import { findOurFilter, findOurTaps, hasOtherFilters, recordOf } from './ours.ts';
import { hasClsact, isShared, type NetnsState } from './seen.ts';

/**
 * Decides every change of DEL: takes away what carries this attachment's record or cookie, and nothing else. Pure.
 *
 * The pod link is freed before the tap is deleted: with its redirect gone, nothing on it waits for the kernel to forget the tap.
 */
export function planDel(key: AttachmentKey, seen: NetnsState): readonly Op[] {
  const taps = findOurTaps(key, seen);
  const others = seen.links.filter((link) => !taps.includes(link));
  return [
    ...others.flatMap((link) => planPodLink(link, key, recordedRestore(link, taps, key), seen)),
    ...taps.map(({ ifname }): Op => ({ op: 'deleteLink', link: ifname })),
    ...planSound(key, seen),
  ];
}

/** Last, so that a pod link which goes back down says nothing meanwhile. */
const planSound = (key: AttachmentKey, { nftables }: NetnsState): Op[] =>
  ownTables(key, nftables).length > 0 ? [{ op: 'deleteSilence', table: silenceTable(key) }] : [];

/** What the taps' records say of this link. */
function recordedRestore(link: Link, taps: readonly Link[], key: AttachmentKey): Restore | null {
  const records = taps.map((tap) => recordOf(tap, key));
  return records.find((record) => record?.podLink === link.ifname)?.restore ?? null;
}

function planPodLink(link: Link, key: AttachmentKey, recorded: Restore | null, seen: NetnsState): Op[] {
  const filter = findOurFilter(link.ifindex, key, seen);
  const restore = recorded ?? filter?.restore;
  // A version that does not know this key drops it from a record that it writes again, but leaves the cookie as it is.
  const wasDown = recorded?.down ?? filter?.restore.down;
  const ops: Op[] = [];
  if (filter !== null) ops.push({ op: 'deleteRedirect', from: link.ifname, cookie: filter.cookie });
  const isOurs = hasClsact(link.ifindex, seen) && !isShared(link.ifindex, seen);
  if (restore?.clsact && isOurs && !hasOtherFilters(link.ifindex, key, seen)) {
    ops.push({ op: 'deleteClsact', link: link.ifname });
  }
  if (restore?.noQueue) ops.push(setLink(link.ifname, { set: 'txqueuelen', txqlen: 0 }));
  if (restore?.allmulti) ops.push(setLink(link.ifname, { set: 'allmulticast', on: false }));
  if (wasDown) ops.push(setLink(link.ifname, { set: 'up', on: false }));
  return ops;
}
