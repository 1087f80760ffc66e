import { closeSync, constants, openSync } from 'node:fs';
import { programsAt } from '../../cni/bindings/tap/conflicts.ts';
import {
  conflictsOf,
  endNamesOf,
  endsOfRecorded,
  recordedAttachments,
} from '../../cni/bindings/tap/recorded-attachments.ts';
import { indexNetns, type Nftables } from '../../cni/plan/seen.ts';
import { native } from '../../shared/native/native.ts';
import { openRtnetlink, type Rtnetlink } from '../../shared/netns/netns.ts';
import { filtersOf } from '../../shared/rtnetlink/filter.ts';
import { allLinks } from '../../shared/rtnetlink/link.ts';
import { ingressQdiscs } from '../../shared/rtnetlink/qdisc.ts';
import { MAX_PER_POD, type PodConflict, type ScannedNetns } from './findings.ts';

/**
 * Bytes of netlink replies read per request. A link takes 1 to 2 KiB, a filter a few hundred bytes.
 */
const MAX_ANSWER = 512 * 1024;
/** Attachments examined per pod. A pod has one for each network of its VM. */
const MAX_ATTACHMENTS = 32;

/**
 * Finds conflicting filters in one netns. Closes its descriptor at once, because an open one keeps
 * a deleted netns alive.
 *
 * @param path of a mounted network namespace
 * @param hostNetns descriptor of the node's netns, which is skipped
 * @returns null if the path is not a pod's netns
 */
export async function scanNetns(path: string, hostNetns: number): Promise<ScannedNetns | null> {
  const fd = open(path);
  if (fd === null) return null;
  try {
    if (!native.isNetns(fd) || native.isSameFile(fd, hostNetns)) return null;
    const rtnetlink = openRtnetlink(fd, MAX_ANSWER);
    try {
      return { findings: await look(rtnetlink), isReadable: true };
    } catch {
      return { findings: [], isReadable: false };
    } finally {
      await rtnetlink.close();
    }
  } finally {
    closeSync(fd);
  }
}

function open(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // does not block on a FIFO
  } catch {
    return null; // deleted since the directory was read
  }
}

/** A scan does not read nftables. */
const UNREAD: Nftables = { tables: [], rules: [], refusal: 'not asked' };

async function look(rtnetlink: Rtnetlink): Promise<readonly PodConflict[]> {
  const [[links, qdiscs], tcx] = await rtnetlink.askWithTcx(allLinks, ingressQdiscs);
  const attachments = recordedAttachments(links).slice(0, MAX_ATTACHMENTS);
  if (attachments.length === 0) return [];
  const names = endNamesOf(attachments);
  const indexes = new Set(links.filter(({ ifname }) => names.includes(ifname)).map(({ ifindex }) => ifindex));
  const own = qdiscs.filter(({ ifindex }) => indexes.has(ifindex));
  const queries = own.map((qdisc) => filtersOf(qdisc, 'ingress'));
  const filters = queries.length === 0 ? [] : (await rtnetlink.ask(...queries)).flat();
  const seen = indexNetns({ links, qdiscs, filters, gaps: [], tcx, programs: [], nftables: UNREAD });
  const ids = programsAt(names, seen);
  const programs = ids.length === 0 ? [] : await rtnetlink.readPrograms(ids);
  const whole = { ...seen, programs };
  return attachments
    .flatMap((attachment) => {
      const { containerId: container, ifname } = attachment.record.key;
      return conflictsOf(attachment, endsOfRecorded(attachment, whole)).map(
        ({ link, what, verdict, removal }) => ({ container, ifname, link, what, verdict, removal }),
      );
    })
    .slice(0, MAX_PER_POD);
}
