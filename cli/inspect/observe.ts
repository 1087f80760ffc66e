import { closeSync, constants, openSync } from 'node:fs';
import { programsAt } from '../../cni/bindings/tap/conflicts.ts';
import { endsOf, recordedWires } from '../../cni/bindings/tap/recorded-attachments.ts';
import { silenceTables } from '../../cni/bindings/tap/silence.ts';
import { observeFilters } from '../../cni/kernel/observe-filters.ts';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { native } from '../../shared/native/native.ts';
import { openRtnetlink, type Rtnetlink } from '../../shared/netns/netns.ts';
import { rulesOf } from '../../shared/nftables/rule.ts';
import { allTables } from '../../shared/nftables/table.ts';
import { allAddresses } from '../../shared/rtnetlink/address.ts';
import { countedFiltersOf } from '../../shared/rtnetlink/counters.ts';
import { allLinks } from '../../shared/rtnetlink/link.ts';
import { ingressQdiscs } from '../../shared/rtnetlink/qdisc.ts';
import type { Seen } from './describe.ts';
import { holdersAmong } from './node.ts';

/**
 * Looks at a netns and changes nothing. Takes no lock: whoever wires the pod meanwhile is not kept waiting.
 *
 * @param processes those that are in it
 * @throws {BindingError} INVALID_NETNS, KERNEL_REFUSED
 */
export async function observe(path: string, processes: readonly number[]): Promise<Seen> {
  const fd = open(path);
  try {
    const rtnetlink = openRtnetlink(fd);
    try {
      return { ...(await look(rtnetlink)), holders: holdersAmong(processes) };
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
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a FIFO must not hang us
  } catch (cause) {
    throw refusal('INVALID_NETNS', path, messageOf(cause), cause);
  }
  if (native.isNetns(fd)) return fd;
  closeSync(fd);
  throw refusal('INVALID_NETNS', path, 'it is no network namespace; the pod may have ended', undefined);
}

function refusal(code: 'INVALID_NETNS' | 'KERNEL_REFUSED', path: string, reason: string, cause: unknown) {
  const isForbidden = /EACCES|EPERM|not permitted|Permission denied/.test(reason);
  const advice = isForbidden ? '; it takes root with CAP_SYS_ADMIN on the node itself' : '';
  return new BindingError(code, `Cannot inspect "${path}": ${reason}${advice}`, { cause });
}

async function look(rtnetlink: Rtnetlink): Promise<Omit<Seen, 'holders'>> {
  const [[links, qdiscs, addresses, tables], tcx] = await rtnetlink.askWithTcx(
    allLinks,
    ingressQdiscs,
    allAddresses,
    allTables,
  );
  const { filters, gaps } = await observeFilters(rtnetlink, qdiscs, countedFiltersOf);
  const queries = silenceTables(tables).map(rulesOf);
  const rules = queries.length === 0 ? [] : (await rtnetlink.ask(...queries)).flat();
  // Before Linux 4.11 a netns has no such sysctl, and taps all the same.
  const sysctls = await rtnetlink.readSysctls().catch(() => null);
  const seen = {
    links,
    qdiscs,
    addresses,
    filters,
    gaps,
    sysctls,
    tcx,
    programs: [],
    nftables: { ...tables, rules },
  };
  const ids = programsAt(endsOf(recordedWires(links)), seen);
  return ids.length === 0 ? seen : { ...seen, programs: await rtnetlink.readPrograms(ids) };
}
