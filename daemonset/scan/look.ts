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
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { type Filter, filtersOf } from '../../shared/rtnetlink/filter.ts';
import { allLinks } from '../../shared/rtnetlink/link.ts';
import { type IngressQdisc, ingressQdiscs } from '../../shared/rtnetlink/qdisc.ts';
import { MAX_PER_POD, type PodConflict, type ScannedNetns } from './findings.ts';

/**
 * Bytes of netlink replies read per request. A link takes some 600 bytes, a filter a few hundred.
 */
const MAX_ANSWER = 512 * 1024;
/** Links whose filters are read at once, which bounds the memory of the replies. */
const AT_ONCE = 8;
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
    const rtnetlink = new Rtnetlink(fd, MAX_ANSWER);
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

async function filtersAmong(
  rtnetlink: Rtnetlink,
  qdiscs: readonly IngressQdisc[],
): Promise<readonly Filter[]> {
  const filters: (readonly Filter[])[] = [];
  for (let at = 0; at < qdiscs.length; at += AT_ONCE) {
    const queries = qdiscs.slice(at, at + AT_ONCE).map((qdisc) => filtersOf(qdisc, 'ingress'));
    for (const some of await rtnetlink.ask(...queries)) filters.push(some);
  }
  return filters.flat();
}

/** A scan does not read nftables. */
const UNREAD: Nftables = { tables: [], rules: [], refusal: 'not asked' };

async function look(rtnetlink: Rtnetlink): Promise<readonly PodConflict[]> {
  const [[links, qdiscs], tcx] = await rtnetlink.askWithTcx(allLinks, ingressQdiscs);
  const attachments = recordedAttachments(links).slice(0, MAX_ATTACHMENTS);
  if (attachments.length === 0) return [];
  const names = endNamesOf(attachments);
  const named = new Set(names);
  const indexes = new Set(links.filter(({ ifname }) => named.has(ifname)).map(({ ifindex }) => ifindex));
  const own = qdiscs.filter(({ ifindex }) => indexes.has(ifindex));
  const filters = await filtersAmong(rtnetlink, own);
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
