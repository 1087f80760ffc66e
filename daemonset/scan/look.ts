import { closeSync, constants, openSync } from 'node:fs';
import { programsAt } from '../../cni/bindings/tap/conflicts.ts';
import {
  conflictsOf,
  endNamesOf,
  endsOfRecorded,
  type RecordedAttachment,
  recordedAttachments,
} from '../../cni/bindings/tap/recorded-attachments.ts';
import { indexNetns, type Nftables } from '../../cni/plan/seen.ts';
import { TURN_SOCKET } from '../../shared/guest-services.ts';
import { native } from '../../shared/native/native.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { type Filter, filtersOf } from '../../shared/rtnetlink/filter.ts';
import { allLinks } from '../../shared/rtnetlink/link.ts';
import { type IngressQdisc, ingressQdiscs } from '../../shared/rtnetlink/qdisc.ts';
import { MAX_PER_POD, type PodConflict, type ScannedNetns } from './findings.ts';
import { decodeCounts, type ScannedGuest } from './guest-counts.ts';

/**
 * Bytes of netlink replies read per request. A link takes some 600 bytes, a filter a few hundred.
 */
const MAX_ANSWER = 512 * 1024;
/** Links whose filters are read at once, which bounds the memory of the replies. */
const AT_ONCE = 8;
/** Attachments examined per pod. A pod has one for each network of its VM. */
const MAX_ATTACHMENTS = 32;
/**
 * Time in ms within which a sidecar has to say what it counts. It takes a millisecond or two, but
 * can wait for its share of the CPU, which Linux divides by periods of 100 ms.
 */
const ANSWER_TIMEOUT = 250;

/**
 * Finds conflicting filters in one netns, and asks what its guest services count. Closes its
 * descriptor at once, because an open one keeps a deleted netns alive.
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
      const { findings, attachments } = await look(rtnetlink);
      return { findings, guests: await guestsOf(fd, attachments), isReadable: true };
    } catch {
      return { findings: [], guests: [], isReadable: false };
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

/** Asks for the counts only where a guest needs the services. */
async function guestsOf(
  netns: number,
  attachments: readonly RecordedAttachment[],
): Promise<readonly ScannedGuest[]> {
  const prepared = attachments.filter(({ record }) => record.passage.serves);
  if (prepared.length === 0) return [];
  const answer = await native
    .readPodSocket(netns, Buffer.from(TURN_SOCKET), ANSWER_TIMEOUT)
    .catch(() => null);
  const taps = prepared.map(({ link }) => link.ifname);
  const counts = decodeCounts(answer, taps);
  return prepared.map(({ link: { ifname: tap, hasCarrier }, record: { key } }) => ({
    container: key.containerId,
    ifname: key.ifname,
    tap,
    isRunning: hasCarrier,
    counts: counts.get(tap) ?? null,
  }));
}

interface Looked {
  readonly findings: readonly PodConflict[];
  readonly attachments: readonly RecordedAttachment[];
}

async function look(rtnetlink: Rtnetlink): Promise<Looked> {
  const [[links, qdiscs], tcx] = await rtnetlink.askWithTcx(allLinks, ingressQdiscs);
  const attachments = recordedAttachments(links).slice(0, MAX_ATTACHMENTS);
  if (attachments.length === 0) return { findings: [], attachments };
  const names = endNamesOf(attachments);
  const named = new Set(names);
  const indexes = new Set(links.filter(({ ifname }) => named.has(ifname)).map(({ ifindex }) => ifindex));
  const own = qdiscs.filter(({ ifindex }) => indexes.has(ifindex));
  const filters = await filtersAmong(rtnetlink, own);
  const seen = indexNetns({ links, qdiscs, filters, gaps: [], tcx, programs: [], nftables: UNREAD });
  const ids = programsAt(names, seen);
  const programs = ids.length === 0 ? [] : await rtnetlink.readPrograms(ids);
  const whole = { ...seen, programs };
  const findings = attachments
    .flatMap((attachment) => {
      const { containerId: container, ifname } = attachment.record.key;
      return conflictsOf(attachment, endsOfRecorded(attachment, whole)).map(
        ({ link, what, verdict, removal }) => ({ container, ifname, link, what, verdict, removal }),
      );
    })
    .slice(0, MAX_PER_POD);
  return { findings, attachments };
}
