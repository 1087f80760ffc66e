import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { decodeEnd, decodeExit, type Exit, encodeJobs, type Job } from './protocol.ts';

export interface Outcome extends Exit {
  readonly stdout: string;
}

/** Starts programs and measures them (native/runner.c). */
export interface Runner {
  readonly pid: number;
  /** Starts all jobs at once and waits for their exits. `wall`: first start to last exit, ms. */
  run(jobs: readonly Job[]): Promise<{ readonly wall: number; readonly outcomes: readonly Outcome[] }>;
  close(): Promise<void>;
}

/** @param stderr path of the file to which stderr of all programs is appended */
export function startRunner(program: string, stderr: string): Runner {
  const log = openSync(stderr, 'a');
  const child = spawn(program, [], { stdio: ['pipe', 'pipe', log], env: {} });
  closeSync(log);
  const { stdin, stdout, pid } = child;
  if (stdin === null || stdout === null || pid === undefined) throw new Error(`Cannot start "${program}"`);
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const exited = once(child, 'exit');

  const line = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('Cannot measure: the runner has ended');
    return value;
  };

  return {
    pid,
    async run(jobs) {
      stdin.write(encodeJobs(jobs));
      const exits: Exit[] = [];
      for (const _ of jobs) exits.push(decodeExit(await line()));
      const wall = decodeEnd(await line());
      const outcomes = exits.map((exit, index) => ({
        ...exit,
        stdout: readFileSync(jobs[index]?.stdout ?? '', 'utf8'),
      }));
      return { wall, outcomes };
    },
    async close() {
      stdin.end();
      await exited;
    },
  };
}
