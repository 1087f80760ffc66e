/**
 * The system calls of the process that serves a call of the plugin: all threads of an agent, or the
 * program itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, callThrough } from './cni.ts';
import { WAY, withAgentUnder } from './way.ts';

export const STRACE = '/usr/bin/strace';

export interface Trace {
  readonly answer: Answer;
  /** Lines of strace, each starting with the id of its thread. */
  readonly lines: readonly string[];
}

/** Calls the plugin, and returns the system calls of these kinds that were made. */
export async function traceCall(
  syscalls: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string,
): Promise<Trace> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-strace-'));
  const log = join(directory, 'log');
  const options = ['-f', '-yy', '-s', '64', '-o', log, '-e', `trace=${syscalls.join(',')}`];
  try {
    const answer = await callTraced(options, env, input);
    const lines = readFileSync(log, 'utf8').split('\n');
    return { answer, lines: lines.filter((line) => /^\d+ +\w+\(/.test(line)) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * Calls the plugin while these system calls fail in the process that serves it.
 *
 * @param under a command line that runs it
 */
export const callFailing = (
  inject: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string,
  under: readonly string[] = [],
): Promise<Answer> => callTraced(['-f', '-o', '/dev/null', ...inject], env, input, under);

async function callTraced(
  options: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string,
  under: readonly string[] = [],
): Promise<Answer> {
  if (WAY !== 'agent') return callThrough([...under, STRACE, ...options], env, input);
  return withAgentUnder(under, async (agent) => {
    const strace = await attach([...options, '-p', String(agent.pid)]);
    const answer = await callThrough([], env, input, agent);
    strace.kill('SIGTERM'); // Detaches from the agent.
    await once(strace, 'close');
    return answer;
  });
}

async function attach(options: readonly string[]): Promise<ChildProcess> {
  const child = spawn(STRACE, options, { stdio: ['ignore', 'ignore', 'pipe'] });
  await once(child.stderr, 'data'); // strace: Process 1 attached
  return child;
}
