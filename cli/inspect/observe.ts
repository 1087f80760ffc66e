import { closeSync, constants, openSync } from 'node:fs';
import { programsAt } from '../../cni/bindings/tap/conflicts.ts';
import {
  endNamesOf,
  type RecordedAttachment,
  recordedAttachments,
} from '../../cni/bindings/tap/recorded-attachments.ts';
import { silenceTables } from '../../cni/bindings/tap/silence.ts';
import { observeFilters } from '../../cni/kernel/observe-filters.ts';
import { indexNetns } from '../../cni/plan/seen.ts';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { native } from '../../shared/native/native.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { rulesOf } from '../../shared/nftables/rule.ts';
import { allTables } from '../../shared/nftables/table.ts';
import { toldRouterOf } from '../../shared/pod-network.ts';
import { allAddresses } from '../../shared/rtnetlink/address.ts';
import { countedFiltersOf, countedQdiscs } from '../../shared/rtnetlink/counters.ts';
import { allLinks } from '../../shared/rtnetlink/link.ts';
import { neighboursOf } from '../../shared/rtnetlink/neighbour.ts';
import { reasonOfFileError } from '../file-error.ts';
import { holdersAmong } from './node.ts';
import { observeMacvtaps } from './observe-macvtaps.ts';
import type { Seen } from './seen.ts';

/**
 * Observes a netns without changing it. Takes no lock, so that it does not delay CNI calls for the
 * pod.
 *
 * @param processes processes in the netns
 * @throws {BindingError} INVALID_NETNS, KERNEL_REFUSED
 */
export async function observe(path: string, processes: readonly number[]): Promise<Seen> {
  const fd = open(path);
  try {
    const rtnetlink = new Rtnetlink(fd);
    try {
      const seen = await look(rtnetlink);
      const macvtaps = await observeMacvtaps(seen.links, rtnetlink);
      return { ...seen, macvtaps, holders: holdersAmong(processes) };
    } catch (cause) {
      throw refusal('KERNEL_REFUSED', path, messageOf(cause), cause);
    } finally {
      await rtnetlink.close();
    }
  } finally {
    closeSync(fd);
  }
}

function open(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // opening a FIFO would block
  } catch (cause) {
    throw refusal('INVALID_NETNS', path, reasonOfFileError(cause), cause);
  }
  if (native.isNetns(fd)) return fd;
  closeSync(fd);
  throw refusal('INVALID_NETNS', path, 'it is not a network namespace; the pod may have ended', undefined);
}

function refusal(code: 'INVALID_NETNS' | 'KERNEL_REFUSED', path: string, reason: string, cause: unknown) {
  const isForbidden = /EACCES|EPERM|not permitted|permission denied/i.test(reason);
  const advice = isForbidden ? '; run this on the node itself as root with CAP_SYS_ADMIN' : '';
  return new BindingError(code, `Cannot inspect "${path}": ${reason}${advice}`, { cause });
}

async function look(rtnetlink: Rtnetlink): Promise<Omit<Seen, 'holders' | 'macvtaps'>> {
  const [[links, qdiscs, addresses, tables], tcx] = await rtnetlink.askWithTcx(
    allLinks,
    countedQdiscs,
    allAddresses,
    allTables,
  );
  const { filters, gaps } = await observeFilters(rtnetlink, qdiscs, countedFiltersOf);
  const queries = silenceTables(tables).map(rulesOf);
  const rules = queries.length === 0 ? [] : (await rtnetlink.ask(...queries)).flat();
  // Linux before 4.11 lacks these sysctls, but taps work there.
  const sysctls = await rtnetlink.readSysctls().catch(() => null);
  const seen = indexNetns({
    links,
    qdiscs,
    filters,
    gaps,
    tcx,
    programs: [],
    nftables: { ...tables, rules },
  });
  const taps = recordedAttachments(links);
  const ids = programsAt(endNamesOf(taps), seen);
  const programs = ids.length === 0 ? [] : await rtnetlink.readPrograms(ids);
  const drops = new Map(qdiscs.map(({ ifindex, dropped }) => [ifindex, dropped]));
  return { ...seen, programs, addresses, sysctls, drops, routers: await readRouters(taps, rtnetlink) };
}

/** Reads the routers that ADD made neighbours of taps. */
async function readRouters(
  taps: readonly RecordedAttachment[],
  rtnetlink: Rtnetlink,
): Promise<Seen['routers']> {
  const served = taps.filter(({ record }) => record.passage.serves);
  const neighbours = await Promise.all(served.map(({ link }) => rtnetlink.ask(neighboursOf(link.ifindex))));
  return new Map(
    served.flatMap(({ link }, i) => {
      const router = toldRouterOf(neighbours[i]?.[0] ?? []);
      return router === undefined ? [] : [[link.ifname, { address: router.address, mac: router.mac }]];
    }),
  );
}
