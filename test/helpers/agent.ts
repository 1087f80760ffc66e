/** The agent as a process: started at a socket of its own, ended by its pid, and looked at for what it should not have kept. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HANG } from './hang.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** The Node that is installed beside the plugin, and in the agent's image. */
export const NODE = join(ROOT, 'node_modules/node/bin/node');
export const AGENT = join(ROOT, 'dist/agent/index.js');

export interface Agent {
  readonly pid: number;
  readonly socket: string;
  /** What it wrote to stderr so far: one JSON document on each line. */
  readonly log: () => string;
  /** Ends it as Kubernetes does; rejects when it does not end well, or has kept a descriptor. */
  stop(): Promise<void>;
  /** Resolves when somebody has killed it. */
  killed(): Promise<void>;
}

export interface AgentOptions {
  readonly socket: string;
  readonly nodeFile: string;
  /** Words before the program: it runs as, or where, they say. They end in an exec. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The directory whose network namespaces it looks into every second; without it, the agent leaves those of other tests alone. */
  readonly netnsDir?: string;
  /** Another than that of this checkout. */
  readonly program?: string;
}

/** An agent of another version may not know of scans. */
function scanOf({ program, netnsDir }: AgentOptions): readonly string[] {
  if (program !== undefined) return [];
  return netnsDir === undefined
    ? ['--scan-interval', '0']
    : ['--scan-interval', '1', '--netns-dir', netnsDir];
}

/** Starts an agent, and resolves when it listens. It does not keep this process alive, and dies with it. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { socket, nodeFile, under = [], env = {} } = options;
  const program = [
    NODE,
    options.program ?? AGENT,
    '--socket',
    socket,
    '--node-file',
    nodeFile,
    ...scanOf(options),
  ];
  const words = ['--pdeathsig', 'KILL', '--', ...under, ...program, '--health', '127.0.0.1:0'];
  const child = spawn('/usr/bin/setpriv', words, { cwd: '/', env, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ended = once(child, 'close');
  const deadline = performance.now() + HANG;
  while (!log.includes('"Agent is listening')) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`Cannot start the agent (exit status ${child.exitCode}): ${log}`);
    }
    await sleep(5);
  }
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();

  const pid = child.pid ?? 0;
  const before = descriptorsOf(pid);
  return {
    pid,
    socket,
    log: () => log,
    async stop() {
      const kept = await keptDescriptors(pid, before);
      child.ref();
      child.kill('SIGTERM');
      await ended;
      if (kept.length > 0) throw new Error(`The agent kept ${kept.join(', ')}`);
      if (child.exitCode === 0) return;
      throw new Error(`The agent ended with ${child.exitCode ?? child.signalCode}: ${log.slice(-5000)}`);
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

/** What the process holds: netns, sockets and the like, without their numbers. */
function descriptorsOf(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(join(folder, fd)).replace(/:\[\d+\]$/, '')];
    } catch {
      return []; // closed meanwhile
    }
  });
}

/** A thread that waits for the kernel's answer about a link that is gone lets go of its socket last. */
async function keptDescriptors(pid: number, before: readonly string[]): Promise<readonly string[]> {
  const deadline = performance.now() + HANG;
  for (;;) {
    const kept = [...descriptorsOf(pid)];
    for (const descriptor of before) {
      const at = kept.indexOf(descriptor);
      if (at !== -1) kept.splice(at, 1);
    }
    if (kept.length === 0 || performance.now() > deadline) return kept;
    await sleep(10);
  }
}
