/**
 * The agent as a process: started at a socket of its own, ended by its pid, and checked for
 * descriptors that it should not have kept.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { HANG } from '../hang.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
/** The Node.js that is installed with the plugin, and in the agent's image. */
export const NODE = join(ROOT, 'node_modules/node/bin/node');
export const AGENT = join(ROOT, 'dist/agent/index.js');

/** Time in ms in which descriptors of the start may still be closed. */
const WARM_UP = 1000;

export interface Agent {
  readonly pid: number;
  readonly socket: string;
  /** Everything written to stderr so far: one JSON document on each line. */
  readonly log: () => string;
  /** Where the log is read from. */
  readonly stderr: Readable;
  readonly isRunning: () => boolean;
  /** Sends a signal, unless the agent has ended: another process may have its pid since. */
  kill(signal: NodeJS.Signals): void;
  /**
   * Ends the agent as Kubernetes does. Rejects if it does not exit with 0 or has kept a descriptor.
   */
  stop(): Promise<void>;
  /** Lets the agent keep the descriptors that it has now: it serves more than at its start. */
  accept(): void;
  /** Resolves when the agent has been killed. */
  killed(): Promise<void>;
  /**
   * Resolves when no descriptor has changed for a second: the threads of the warm-up have ended.
   */
  settled(): Promise<void>;
}

export interface AgentOptions {
  readonly socket: string;
  readonly nodeFile: string;
  /** Command line that runs the program as another user or in another place. It ends in an exec. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Directory whose network namespaces the agent scans every second. Without it, the agent leaves
   * those of other tests alone.
   */
  readonly netnsDir?: string;
  /** Address of health and metrics; any free port by default. */
  readonly health?: string;
  /** Path of another build of the agent than this checkout's. */
  readonly program?: string;
}

/** An agent of another version may not have the options of the scan. */
function scanOf({ program, netnsDir }: AgentOptions): readonly string[] {
  if (program !== undefined) return [];
  return netnsDir === undefined
    ? ['--scan-interval', '0']
    : ['--scan-interval', '1', '--netns-dir', netnsDir];
}

/**
 * Starts an agent and resolves when it listens. The agent does not keep this process alive, and
 * dies with it.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { socket, nodeFile, under = [], env = {}, health = '127.0.0.1:0' } = options;
  const program = [
    NODE,
    options.program ?? AGENT,
    '--socket',
    socket,
    '--node-file',
    nodeFile,
    ...scanOf(options),
  ];
  const words = ['--pdeathsig', 'KILL', '--', ...under, ...program, '--health', health];
  const child = spawn('/usr/bin/setpriv', words, {
    cwd: '/',
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ended = once(child, 'close');
  const deadline = performance.now() + HANG;
  while (!log.includes('"Agent is listening')) {
    const { exitCode, signalCode } = child;
    if (exitCode !== null || signalCode !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`Cannot start the agent (${signalCode ?? `exit status ${exitCode}`}): ${log}`);
    }
    await sleep(5);
  }
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();

  const pid = child.pid ?? 0;
  let before = descriptorsOf(pid);
  // At the start, threads of the warm-up are still closing theirs.
  const sampling = setInterval(() => {
    before = without(before, without(before, descriptorsOf(pid)));
  }, 50).unref();
  setTimeout(() => clearInterval(sampling), WARM_UP).unref();
  return {
    pid,
    socket,
    log: () => log,
    stderr: child.stderr,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill: (signal) => void child.kill(signal),
    accept: () => {
      clearInterval(sampling);
      before = descriptorsOf(pid);
    },
    async stop() {
      const kept = await keptDescriptors(pid, before);
      child.ref();
      child.kill('SIGTERM');
      await ended;
      if (kept.length > 0) throw new Error(`The agent kept ${kept.join(', ')}`);
      if (child.exitCode === 0) return;
      throw new Error(`The agent ended with ${child.exitCode ?? child.signalCode}: ${log.slice(-5000)}`);
    },
    async settled() {
      const end = performance.now() + HANG;
      let [seen, since] = [descriptorsOf(pid).join(), performance.now()];
      while (performance.now() - since < 1000) {
        if (performance.now() > end) throw new Error('The descriptors of the agent change all the time');
        await sleep(50);
        const now = descriptorsOf(pid).join();
        if (now !== seen) [seen, since] = [now, performance.now()];
      }
    },
    async killed() {
      child.ref();
      const timer = setTimeout(() => child.kill('SIGTERM'), HANG);
      await ended;
      clearTimeout(timer);
      if (child.signalCode !== 'SIGKILL') throw new Error(`The agent ended by itself: ${log.slice(-5000)}`);
    },
  };
}

/**
 * Descriptors of the process: netns, sockets and the like, without their numbers. None if the
 * process has ended.
 */
function descriptorsOf(pid: number): readonly string[] {
  const directory = `/proc/${pid}/fd`;
  return entries(directory).flatMap((fd) => {
    try {
      return [readlinkSync(join(directory, fd)).replace(/:\[\d+\]$/, '')];
    } catch {
      return []; // closed meanwhile
    }
  });
}

function entries(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Returns `all` without each of `some` once. */
function without(all: readonly string[], some: readonly string[]): readonly string[] {
  const rest = [...all];
  for (const one of some) {
    const at = rest.indexOf(one);
    if (at !== -1) rest.splice(at, 1);
  }
  return rest;
}

/**
 * Excludes the socket of a thread that waits for the kernel's reply about a deleted link, which the
 * thread closes last.
 */
async function keptDescriptors(pid: number, before: readonly string[]): Promise<readonly string[]> {
  const deadline = performance.now() + HANG;
  for (;;) {
    const kept = without(descriptorsOf(pid), before);
    if (kept.length === 0 || performance.now() > deadline) return kept;
    await sleep(10);
  }
}
