import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { type CniResult, fillNetns, parseCniResult, RESULT_DIRECTORIES } from './cni-results.ts';
import type { NetnsPlace } from './find.ts';
import type { Holder } from './inspection.ts';

const MOUNTED = '/run/netns';

/** Every netns of the node that is mounted where runtimes and `ip netns` do that, or that a process is in. */
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

/** What tells two netns apart, whatever path leads there; null where there is nothing. */
export function netnsIdOf(path: string): string | null {
  return attempt(() => {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  });
}

/** Results of CNI plugins on this node, as runtimes keep them. */
export function allCniResults(): readonly CniResult[] {
  const files = RESULT_DIRECTORIES.flatMap((directory) =>
    list(directory).map((name) => `${directory}/${name}`),
  );
  const parsed = files.map((file) => attempt(() => parseCniResult(readFileSync(file, 'utf8'))));
  return fillNetns(parsed.filter((result) => result !== null));
}

/** The cgroups of processes: one line each, in which the runtime's name for the container is a part. */
export function cgroupsOf(processes: readonly number[]): ReadonlyMap<number, string> {
  return new Map(processes.map((pid) => [pid, readText(`/proc/${pid}/cgroup`) ?? '']));
}

/**
 * Which of the processes have taps open, by the tap's name.
 *
 * @param processes those that are in the tap's netns: the kernel does not tell the netns of a tap, and QEMU is where its tap is
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

/** How many descriptors of each tap a process has; the kernel names the tap in fdinfo. */
function openTaps(pid: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const fd of list(`/proc/${pid}/fd`)) {
    if (attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) !== '/dev/net/tun') continue;
    const tap = /^iff:\t(.+)$/m.exec(readText(`/proc/${pid}/fdinfo/${fd}`) ?? '')?.[1];
    if (tap !== undefined) counts.set(tap, (counts.get(tap) ?? 0) + 1);
  }
  return counts;
}

const pids = (): readonly number[] =>
  list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

const list = (directory: string): readonly string[] => attempt(() => readdirSync(directory).sort()) ?? [];

const readText = (path: string): string | null => attempt(() => readFileSync(path, 'utf8'));

/** Processes end and netns go while they are looked at, and not every node has every directory. */
function attempt<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}
