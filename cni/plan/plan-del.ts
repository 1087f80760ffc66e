import type { AttachmentKey, MacvtapRecord, Restore } from '../../shared/record.ts';
import { ownTables, silenceTable } from '../bindings/tap/silence.ts';
import { type Op, setLink } from './op.ts';
import { findOurFilter, hasOtherFilters, isInOurPlace, isUnfinishedMacvtap, recordOf } from './ours.ts';
import { isRuleOf, ruleOwner } from './rule-set.ts';
import { indexNetns, type NetnsState, type SeenLink } from './seen.ts';

/**
 * Decides every change of DEL: undoes what ADD did for this attachment, which DEL finds by record,
 * cookie and table name, and nothing else. Linear. Pure.
 *
 * Deletes a macvtap first: until then it answers for the guest's MAC, which may have migrated to
 * another node. Restores the pod link before it deletes the tap. In the other order, ops on the pod
 * link would wait until the kernel has released the tap. Deletes device nodes last, when no link
 * has them.
 *
 * @param deviceNode number of a device node that may be left although its link no longer exists;
 * null: there is none
 */
export function planDel(
  key: AttachmentKey,
  seen: NetnsState,
  deviceNode: number | null = null,
): readonly Op[] {
  const macvtaps: Op[] = [];
  const deviceNodes = new Set(deviceNode === null ? [] : [deviceNode]);
  const deletions: Op[] = [];
  const others: SeenLink[] = [];
  const recorded = new Map<string, Restore>();
  for (const one of indexNetns(seen).byIfindex.values()) {
    const record = recordOf(one.link, key);
    const { ifname, ifindex } = one.link;
    if (record?.binding === 'macvtap' || isUnfinishedMacvtap(one.link, key)) {
      if (record?.binding === 'macvtap') macvtaps.push(...planLower(ifname, record));
      macvtaps.push({ op: 'deleteLink', link: ifname });
      deviceNodes.add(ifindex);
      continue;
    }
    if (record === null) {
      others.push(one);
      continue;
    }
    deletions.push({ op: 'deleteLink', link: ifname });
    if (!recorded.has(record.podLink)) recorded.set(record.podLink, record.restore);
  }
  return [
    ...macvtaps,
    ...others.flatMap((one) => planPodLink(one, key, recorded.get(one.link.ifname) ?? null)),
    ...deletions,
    ...planSound(key, seen),
    ...[...deviceNodes].map((ifindex): Op => ({ op: 'deleteDeviceNode', ifindex })),
  ];
}

/** Gives back what the lower device would keep when its macvtap is deleted. */
const planLower = (link: string, { mode, allmulticast }: MacvtapRecord): Op[] =>
  mode === 'passthru' && allmulticast ? [setLink(link, { set: 'allmulticast', on: false })] : [];

/**
 * Lets the pod's own stack send again. This comes after all changes of links, so that a pod link
 * that DEL sets down does not send before it is down.
 */
function planSound(key: AttachmentKey, { nftables }: NetnsState): Op[] {
  const families = ownTables(key, nftables).map(({ family }) => family);
  const table = silenceTable(key);
  return [
    ...(families.includes('netdev') ? [{ op: 'deleteFloor', table } as const] : []),
    ...(families.some((family) => family !== 'netdev') ? [{ op: 'deleteSilence', table } as const] : []),
  ];
}

/**
 * @param recorded what the record of the tap says about this link; null: no record names the link
 */
function planPodLink(seen: SeenLink, key: AttachmentKey, recorded: Restore | null): Op[] {
  const { link, qdisc } = seen;
  const filter = findOurFilter(seen, key);
  const restore = recorded ?? filter?.restore;
  // A version that does not know the key "down" omits it from a record that it rewrites, but leaves
  // the cookie as it is.
  const wasDown = recorded?.down ?? filter?.restore.down;
  const ops: Op[] = [];
  const owner = ruleOwner(key);
  // The mark of rules has 16 bits, which another attachment of the pod may share.
  const isOfAnother =
    restore === undefined && seen.filters.some((one) => isInOurPlace(one) && one.redirect !== null);
  if (!isOfAnother && seen.filters.some((one) => isRuleOf(one, owner)))
    ops.push({ op: 'deleteRules', link: link.ifname, owner });
  if (filter !== null) ops.push({ op: 'deleteRedirect', from: link.ifname, cookie: filter.cookie });
  const isOurs = qdisc?.kind === 'clsact' && !qdisc.isShared;
  if (restore?.clsact && isOurs && !hasOtherFilters(seen, key)) {
    ops.push({ op: 'deleteClsact', link: link.ifname });
  }
  if (restore?.noQueue) ops.push(setLink(link.ifname, { set: 'txqueuelen', txqlen: 0 }));
  if (restore?.allmulti) ops.push(setLink(link.ifname, { set: 'allmulticast', on: false }));
  if (wasDown) ops.push(setLink(link.ifname, { set: 'up', on: false }));
  return ops;
}
