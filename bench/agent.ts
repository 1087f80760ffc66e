import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { pause } from './pods.ts';

/** The agent, as the DaemonSet runs it, and what it takes. */
export interface Agent {
  /** User and system time of its threads so far, ms. */
  cpu(): number;
  /** Most memory since the last `forgetPeak`, MiB. */
  peak(): number;
  forgetPeak(): void;
}

const PATIENCE = 10_000; // ms

/** Starts the agent and waits until it listens. It ends with the run's PID namespace. */
export async function startAgent(bundle: string, socket: string, log: string): Promise<Agent> {
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
  const stderr = openSync(log, 'a');
  const child = spawn(process.execPath, [bundle, '--socket', socket], {
    stdio: ['ignore', stderr, stderr],
    env: {},
  });
  closeSync(stderr);
  const said = () => readFileSync(log, 'utf8');
  for (const deadline = performance.now() + PATIENCE; !/listening/i.test(said()); await pause(10)) {
    if (child.exitCode !== null || performance.now() > deadline)
      throw new Error(`The agent does not listen:\n${said()}`);
  }
  const proc = `/proc/${child.pid}`;
  const ensureAlive = () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`The agent has ended:\n${said()}`);
  };
  return {
    cpu() {
      ensureAlive();
      return threadTimes(proc);
    },
    peak: () => readPeak(proc),
    forgetPeak: () => writeFileSync(`${proc}/clear_refs`, '5'), // proc(5): resets the peak of the resident set
  };
}

/** In nanoseconds from the scheduler; `stat` counts in steps of 10 ms, ten times what a call takes. */
function threadTimes(proc: string): number {
  const threads = readdirSync(`${proc}/task`);
  const nanoseconds = threads.map((id) =>
    Number(readFileSync(`${proc}/task/${id}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, time) => sum + time, 0) / 1e6;
}

function readPeak(proc: string): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`${proc}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}
