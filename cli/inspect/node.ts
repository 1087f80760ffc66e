import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { decodeText } from '../../shared/netlink/text.ts';
import { splitDeviceNumber } from '../../shared/netns/device-number.ts';
import { type CniResult, fillNetns, parseCniResult, RESULT_DIRECTORIES } from './cni-results.ts';
import type { NetnsPlace } from './find.ts';
import type { Holder } from './inspection.ts';

const MOUNTED = '/run/netns';

/** Lists each netns of the node that is mounted in /run/netns or that a process is in. */
export function allNetnses(): readonly NetnsPlace[] {
  const found = new Map<string, { id: string; paths: string[]; pids: number[] }>();
  const at = (path: string) => {
    const id = netnsIdOf(path);
    if (id === null) return null;
    const known = found.get(id) ?? { id, paths: [], pids: [] };
    found.set(id, known);
    return known;
  };
  for (const name of list(MOUNTED)) at(`${MOUNTED}/${name}`)?.paths.push(`${MOUNTED}/${name}`);
  for (const pid of pids()) at(`/proc/${pid}/ns/net`)?.pids.push(pid);
  return [...found.values()];
}

/** Identity of the netns at a path, equal for all paths to it. Null if the path does not exist. */
export function netnsIdOf(path: string): string | null {
  return attempt(() => {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  });
}

/** Cached results of CNI plugins on this node. */
export function allCniResults(): readonly CniResult[] {
  const files = RESULT_DIRECTORIES.flatMap((directory) =>
    list(directory).map((name) => `${directory}/${name}`),
  );
  const parsed = files.map((file) => attempt(() => parseCniResult(readFileSync(file, 'utf8'))));
  return fillNetns(parsed.filter((result) => result !== null));
}

/** Text of /proc/PID/cgroup by pid. Its paths contain the container id. */
export function cgroupsOf(processes: readonly number[]): ReadonlyMap<number, string> {
  return new Map(processes.map((pid) => [pid, readText(`/proc/${pid}/cgroup`) ?? '']));
}

/**
 * Finds which processes have taps open, by name of the tap.
 *
 * @param processes processes in the tap's netns. The kernel does not report the netns of an open
 * tap, but QEMU runs in the netns of   its tap.
 */
export function holdersAmong(processes: readonly number[]): ReadonlyMap<string, readonly Holder[]> {
  const holders = new Map<string, Holder[]>();
  for (const pid of processes) {
    const program = readText(`/proc/${pid}/comm`)?.trimEnd() ?? '';
    for (const [tap, queues] of openTaps(pid)) {
      holders.set(tap, [...(holders.get(tap) ?? []), { pid, program, queues }]);
    }
  }
  return holders;
}

/** Number of open descriptors of a process by tap. The kernel names the tap in fdinfo. */
function openTaps(pid: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const fd of list(`/proc/${pid}/fd`)) {
    if (attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) !== '/dev/net/tun') continue;
    const tap = /^iff:\t(.+)$/m.exec(readText(`/proc/${pid}/fdinfo/${fd}`) ?? '')?.[1];
    if (tap !== undefined) counts.set(tap, (counts.get(tap) ?? 0) + 1);
  }
  return counts;
}

/** Finds which processes have macvtaps open, by device (`major:minor`). */
export function macvtapHolders(): ReadonlyMap<string, readonly Holder[]> {
  const holders = new Map<string, Holder[]>();
  for (const pid of pids()) {
    const devices = openMacvtaps(pid);
    const program = devices.size === 0 ? '' : (readText(`/proc/${pid}/comm`)?.trimEnd() ?? '');
    for (const [device, queues] of devices) {
      holders.set(device, [...(holders.get(device) ?? []), { pid, program, queues }]);
    }
  }
  return holders;
}

/**
 * Number of open descriptors of a process by device. Looks at the devices of files whose name fits:
 * stat(2) of others may hang, such as of those on a network file system.
 */
function openMacvtaps(pid: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const fd of list(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${fd}`;
    if (!/\/tap\d+( \(deleted\))?$/.test(attempt(() => readlinkSync(path)) ?? '')) continue;
    const file = attempt(() => statSync(path));
    if (file === null || !file.isCharacterDevice()) continue;
    const { major, minor } = splitDeviceNumber(file.rdev);
    counts.set(`${major}:${minor}`, (counts.get(`${major}:${minor}`) ?? 0) + 1);
  }
  return counts;
}

const pids = (): readonly number[] =>
  list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

const list = (directory: string): readonly string[] => attempt(() => readdirSync(directory).sort()) ?? [];

const readText = (path: string): string | null => attempt(() => decodeText(readFileSync(path)));

/**
 * Returns null on an error, because processes and netns can end meanwhile, and some directories are
 * missing on some nodes.
 */
function attempt<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}
