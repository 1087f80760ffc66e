import { closeSync, constants, openSync } from 'node:fs';
import { programsAt } from '../../cni/bindings/tap/conflicts.ts';
import { conflictsOf, endsOf, recordedWires } from '../../cni/bindings/tap/recorded-attachments.ts';
import type { Nftables } from '../../cni/plan/seen.ts';
import { native } from '../../shared/native/native.ts';
import { openRtnetlink, type Rtnetlink } from '../../shared/netns/netns.ts';
import { filtersOf } from '../../shared/rtnetlink/filter.ts';
import { allLinks } from '../../shared/rtnetlink/link.ts';
import { ingressQdiscs } from '../../shared/rtnetlink/qdisc.ts';
import { type Finding, type Looked, MAX_PER_POD } from './findings.ts';

/** Bytes of answers that are read of one pod at a time. A link takes 1 to 2 KiB, a filter some hundred bytes. */
const MAX_ANSWER = 512 * 1024;
/** A pod has one for each network of its VM. */
const MAX_WIRES = 32;

/**
 * Looks for conflicting filters in one network namespace, and lets go of it at once: a descriptor would keep it from going away.
 *
 * @param path of a mounted network namespace
 * @param own descriptor of the node's, which is not looked into
 * @returns null if there is none at that path
 */
export async function lookInto(path: string, own: number): Promise<Looked | null> {
  const fd = open(path);
  if (fd === null) return null;
  try {
    if (!native.isNetns(fd) || native.isSameFile(fd, own)) return null;
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
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a FIFO must not hang us
  } catch {
    return null; // gone meanwhile
  }
}

/** The scanner looks for conflicting filters only. */
const UNREAD: Nftables = { tables: [], rules: [], refusal: 'not asked' };

async function look(rtnetlink: Rtnetlink): Promise<readonly Finding[]> {
  const [[links, qdiscs], tcx] = await rtnetlink.askWithTcx(allLinks, ingressQdiscs);
  const wires = recordedWires(links).slice(0, MAX_WIRES);
  if (wires.length === 0) return [];
  const ends = endsOf(wires);
  const own = qdiscs.filter(({ ifindex }) => ends.some((link) => link.ifindex === ifindex));
  const queries = own.map((qdisc) => filtersOf(qdisc, 'ingress'));
  const filters = queries.length === 0 ? [] : (await rtnetlink.ask(...queries)).flat();
  const seen = { links, qdiscs, filters, gaps: [], tcx, programs: [], nftables: UNREAD };
  const ids = programsAt(ends, seen);
  const programs = ids.length === 0 ? [] : await rtnetlink.readPrograms(ids);
  return wires
    .flatMap((wire) =>
      conflictsOf(wire, { ...seen, programs }).map(({ link, what, verdict, removal }) => {
        const { containerId: container, ifname } = wire.record.key;
        return { container, ifname, link, what, verdict, removal };
      }),
    )
    .slice(0, MAX_PER_POD);
}
