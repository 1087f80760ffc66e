import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cgroup } from '../../../bench/cgroups.ts';
import { HANG } from '../hang.ts';
import type { TestNetns } from '../pod/netns.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');

/** Uid and gid of everything in a virt-launcher pod. */
const POD_ID = 107;
const UNPRIVILEGED = `--reuid ${POD_ID} --regid ${POD_ID} --clear-groups --bounding-set -all --inh-caps -all --no-new-privs`;
/**
 * Script that shows the checkout to uid 107 at another path, because its own path may be out of
 * reach. Arguments: checkout, place, resolv.conf and hostname or nothing, program. Everything
 * except the place is read-only. The program starts at the first line of input.
 */
const SHOW = `
  mount --bind "$2" "$2"
  mount --bind "$1" "$2/checkout"
  mount -o remount,bind,ro "$2/checkout"
  mount -o remount,bind,ro /
  [ -z "$3" ] || mount --bind "$3" /etc/resolv.conf
  [ -z "$4" ] || hostname "$4"
  shift 4
  read -r go
  exec "$@" </dev/null`;

/** The program and its limits. */
export interface Setting {
  /** Path below the checkout; null for a Node.js that does nothing. */
  readonly program: string | null;
  readonly openFiles: number;
  /** cgroup that the process enters before the program starts. */
  readonly cgroup?: Cgroup;
  /** What the pod has in place of the machine's /etc/resolv.conf, by its path, and hostname. */
  readonly pod?: { readonly resolvConf: string; readonly hostname: string };
}

const AS_SOURCE: Setting = { program: 'sidecar/main.ts', openFiles: 64 };

export interface Sidecar {
  readonly pid: number;
  readonly kill: ChildProcess['kill'];
  /** Lines written to stderr so far. */
  readonly log: () => Record<string, unknown>[];
  /** All output so far. */
  readonly output: () => string;
  /** Exit status, or the signal that ended it; fails if it does not exit in time. */
  readonly ended: () => Promise<number | string>;
}

/** A place for hook directories that uid 107 can reach, deleted afterwards. */
export async function withHookPlace<T>(act: (place: string) => Promise<T>): Promise<T> {
  const place = mkdtempSync(join(tmpdir(), 'tapwire-hooks-'));
  try {
    chmodSync(place, 0o755);
    mkdirSync(`${place}/checkout`);
    return await act(place);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** A directory like an emptyDir with fsGroup: the pod's user can write to it. */
export function makeHookDirectory(path: string): string {
  mkdirSync(path, { mode: 0o770 });
  chownSync(path, POD_ID, POD_ID);
  return path;
}

/**
 * Runs the sidecar as the pod does: in its netns, as uid 107, without capabilities and without a
 * way to gain any.
 */
export async function withSidecar<T>(
  netns: TestNetns,
  place: string,
  env: Readonly<Record<string, string>>,
  act: (sidecar: Sidecar) => Promise<T>,
  { program, openFiles, cgroup, pod }: Setting = AS_SOURCE,
): Promise<T> {
  const seen = `${place}/checkout`;
  const node = process.execPath.startsWith(`${CHECKOUT}/`)
    ? process.execPath.replace(CHECKOUT, seen)
    : process.execPath;
  const shown = [CHECKOUT, place, pod?.resolvConf ?? '', pod?.hostname ?? ''];
  const apart = ['unshare', '--mount', '--uts', '--propagation', 'private'];
  const show = [...apart, 'sh', '-ec', SHOW, 'sh', ...shown];
  const confined = [
    'prlimit',
    `--nofile=${openFiles}:${openFiles}`,
    'setpriv',
    ...UNPRIVILEGED.split(' '),
    node,
    ...(program === null ? ['-e', '0'] : [`${seen}/${program}`]),
  ];
  const child = spawn('ip', ['netns', 'exec', netns.name, ...show, ...confined], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) cgroup?.enter(child.pid);
  child.stdin.end('\n');
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const end = new Promise<number | string>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const ended = async () => {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`Still running: ${stderr}`)), HANG);
    return await Promise.race([end, late]).finally(() => clearTimeout(timer));
  };
  try {
    return await act({
      pid: child.pid ?? -1,
      kill: (signal) => child.kill(signal),
      log: () =>
        stderr
          .trim()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line)),
      output: () => stdout + stderr,
      ended,
    });
  } finally {
    child.kill('SIGKILL');
    await ended();
  }
}

/**
 * The lines of the log that match `isMeant`, as soon as there are this many. They arrive through a
 * pipe, later than a reply.
 */
export async function logged(
  sidecar: Sidecar,
  count: number,
  isMeant: (line: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>[]> {
  const deadline = performance.now() + HANG;
  for (;;) {
    const found = sidecar.log().filter(isMeant);
    if (found.length >= count || performance.now() > deadline) return found;
    await sleep(10);
  }
}

/** A line of /proc/PID/status. */
export function processStatus({ pid }: Sidecar, key: string): string {
  return new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
}
