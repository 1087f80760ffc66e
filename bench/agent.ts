import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Cgroup } from './cgroups.ts';
import { pause } from './pods.ts';

/** The agent, run as the DaemonSet runs it, with its CPU time and memory. */
export interface Agent {
  /** User and system time so far, with all threads and children, ms. */
  cpu(): number;
  /** Peak memory since the last `forgetPeak`, MiB. */
  peak(): number;
  forgetPeak(): void;
}

const START_TIMEOUT = 60_000; // ms

/**
 * The agents of the run. The one for macvtap talks to kubelet, which takes memory that an agent
 * without such resources does not need.
 */
export type AgentName = 'tap' | 'macvtap';
export type Agents = Readonly<Record<AgentName, Agent>>;

/** Paths of one agent, and its further options. */
export interface AgentFiles {
  readonly socket: string;
  readonly log: string;
  readonly options: readonly string[];
}

/**
 * Starts an agent and waits until it listens. The agent ends with the run's PID namespace.
 *
 * @throws {Error} if the agent ends, or does not listen in time
 */
export async function startAgent(
  bundle: string,
  { socket, log, options }: AgentFiles,
  cgroup: Cgroup,
): Promise<Agent> {
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
  const stderr = openSync(log, 'a');
  const child = spawn(process.execPath, [bundle, '--socket', socket, ...options], {
    stdio: ['ignore', stderr, stderr],
    env: {},
  });
  closeSync(stderr);
  if (child.pid === undefined) throw new Error('Cannot start the agent: spawn failed');
  cgroup.enter(child.pid);
  const said = () => readFileSync(log, 'utf8');
  for (const deadline = performance.now() + START_TIMEOUT; !/listening/i.test(said()); await pause(10)) {
    if (child.exitCode !== null || performance.now() > deadline)
      throw new Error(`Cannot start the agent: it does not listen; its log:\n${said()}`);
  }
  const proc = `/proc/${child.pid}`;
  const ensureAlive = () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`Cannot measure: the agent has ended; its log:\n${said()}`);
  };
  return {
    cpu() {
      ensureAlive();
      return cgroup.cpu(); // proc(5) counts in steps of 10 ms and omits threads that have ended
    },
    peak: () => readPeak(proc),
    // "5" resets the peak of the resident set: proc(5).
    forgetPeak: () => writeFileSync(`${proc}/clear_refs`, '5'),
  };
}

function readPeak(proc: string): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`${proc}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}
