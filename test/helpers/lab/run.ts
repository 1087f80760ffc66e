import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { HANG } from '../hang.ts';
import type { Lab } from './lab.ts';

/** Runs one program until it exits, and returns its output. */
export async function run(lab: Lab, argv: readonly string[], input = ''): Promise<string> {
  lab.signal.throwIfAborted();
  const [file = '', ...args] = argv;
  const { stdout, stderr, failed, shortMessage } = await execa(file, args, {
    detached: true, // from the terminal's Ctrl-C
    input,
    cancelSignal: lab.signal,
    reject: false,
  });
  lab.signal.throwIfAborted();
  if (failed) throw new Error(`Cannot run "${argv.join(' ')}": ${stderr.trim() || shortMessage}`);
  return stdout;
}

/** Runs lines of ip(8) in a netns, all in one process. */
export async function ip(lab: Lab, netns: string, lines: string): Promise<void> {
  await run(lab, ['ip', '-n', netns, '-batch', '-'], lines);
}

/** Sets a sysctl of a netns: `ipv6/conf/all/forwarding`. */
export async function setSysctl(lab: Lab, netns: string, key: string, value: string): Promise<void> {
  await run(lab, ['ip', 'netns', 'exec', netns, 'tee', `/proc/sys/net/${key}`], value);
}

/** A program that keeps running, also after this process has exited. */
export interface Daemon {
  readonly pid: number;
  /** File with its stdout and stderr. */
  readonly log: string;
  /** Its exit status, or the name of the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly isRunning: () => boolean;
}

/** Starts a program in a netns of the lab. It lives until it is killed or the lab is removed. */
export function start(
  lab: Lab,
  netns: string,
  name: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Daemon {
  lab.signal.throwIfAborted();
  const log = join(lab.dir, `${name}.log`);
  const output = openSync(log, 'a');
  // In a session of its own, because Ctrl-C at the terminal would otherwise end it before the
  // teardown does.
  const child = spawn('ip', ['netns', 'exec', netns, ...argv], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', output, output],
    env: { PATH: process.env['PATH'], ...env },
  });
  closeSync(output);
  let running = true;
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status, signal) => {
      running = false;
      resolve(status ?? signal ?? 'SIGKILL');
    });
  });
  child.unref();
  if (child.pid === undefined) throw new Error(`Cannot start ${name}`);
  const daemon = { pid: child.pid, log, ended, isRunning: () => running };
  lab.daemons.push(daemon);
  return daemon;
}

/**
 * Repeats a request until there is a result.
 *
 * @param what ends the sentence "no …" of the error
 */
export async function waitFor<T>(
  lab: Lab,
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + HANG;
  while (performance.now() < deadline) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    await sleep(50, undefined, { signal: lab.signal });
  }
  throw new Error(`No ${what} within ${HANG / 1000} s`);
}

/** The last lines of a daemon's log, for an error message. */
export function lastWords(daemon: Daemon): string {
  return readFileSync(daemon.log, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
}
