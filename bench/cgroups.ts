import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';

/** A cgroup of the run. Processes that are started in it stay in it. */
export interface Cgroup {
  enter(pid: number): void;
  /** User and system time of all processes that ever ran in it, ms. */
  cpu(): number;
  /** Peak memory, MiB. */
  peak(): number;
  /** Number of its processes that the OOM killer ended. */
  oomKills(): number;
}

export interface Limits {
  /** Thousandths of a CPU. */
  readonly cpu: number;
  /** MiB */
  readonly memory: number;
}

const ROOT = '/sys/fs/cgroup';
const PERIOD = 100_000; // µs, the kernel's and the kubelet's default
const MIB = 1024 * 1024;

/** Whether cgroups are version 2, with one hierarchy. Version 1 has one for each controller. */
const isUnified = existsSync(`${ROOT}/cgroup.controllers`);

/** Creates a cgroup under `parent`. isolation.ts removes all of them after the run. */
export function addCgroup(parent: string, name: string, limits: Limits | null): Cgroup {
  return isUnified ? addUnified(parent, name, limits) : addVersion1(parent, name, limits);
}

function addUnified(parent: string, name: string, limits: Limits | null): Cgroup {
  const path = `${ROOT}/${parent}/${name}`;
  mkdirSync(path, { recursive: true });
  for (const above of [ROOT, `${ROOT}/${parent}`])
    writeFileSync(`${above}/cgroup.subtree_control`, '+cpu +memory');
  if (limits !== null) {
    writeFileSync(`${path}/cpu.max`, `${(limits.cpu * PERIOD) / 1000} ${PERIOD}`);
    writeFileSync(`${path}/memory.max`, String(limits.memory * MIB));
  }
  return {
    enter: (pid) => writeFileSync(`${path}/cgroup.procs`, String(pid)),
    cpu: () => readField(`${path}/cpu.stat`, 'usage_usec') / 1e3,
    peak: () => readNumber(`${path}/memory.peak`) / MIB,
    oomKills: () => readField(`${path}/memory.events`, 'oom_kill'),
  };
}

function addVersion1(parent: string, name: string, limits: Limits | null): Cgroup {
  const pathIn = (controller: string): string => `${ROOT}/${controller}/${parent}/${name}`;
  const [cpu, cpuacct, memory] = [pathIn('cpu'), pathIn('cpuacct'), pathIn('memory')];
  for (const path of [cpu, cpuacct, memory]) mkdirSync(path, { recursive: true });
  if (limits !== null) {
    writeFileSync(`${cpu}/cpu.cfs_period_us`, String(PERIOD));
    writeFileSync(`${cpu}/cpu.cfs_quota_us`, String((limits.cpu * PERIOD) / 1000));
    writeFileSync(`${memory}/memory.limit_in_bytes`, String(limits.memory * MIB));
  }
  return {
    enter(pid) {
      for (const path of [cpu, cpuacct, memory]) writeFileSync(`${path}/cgroup.procs`, String(pid));
    },
    cpu: () => readNumber(`${cpuacct}/cpuacct.usage`) / 1e6,
    peak: () => readNumber(`${memory}/memory.max_usage_in_bytes`) / MIB,
    oomKills: () => readField(`${memory}/memory.oom_control`, 'oom_kill'),
  };
}

const readNumber = (path: string): number => Number(readFileSync(path, 'utf8'));

/** Reads the number of a line `name number`. */
function readField(path: string, name: string): number {
  const [, value] = new RegExp(`^${name} (\\d+)$`, 'm').exec(readFileSync(path, 'utf8')) ?? [];
  if (value === undefined) throw new Error(`Cannot read "${name}" in "${path}"`);
  return Number(value);
}
