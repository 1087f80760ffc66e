/** The user space of a guest: files, processes and a hostname of its own, in the guest's netns. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { until } from '../../agent/agent-node.ts';
import type { TestNetns } from '../netns.ts';
import { clientFiles } from './packages.ts';

const SET_UP = join(import.meta.dirname, 'system.sh');

const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

export interface GuestSystem {
  readonly netns: TestNetns;
  /** Runs a program until it ends, and returns its output. */
  run(...words: readonly string[]): Promise<string>;
  /** Starts a program that runs until it is killed, or the system ends. */
  start(...words: readonly string[]): Program;
  /** Text of a file; empty if there is none. */
  read(path: string): string;
  write(path: string, text: string): void;
}

export interface Program {
  /** All output so far. */
  readonly output: () => string;
  /** Waits until its output has this text. */
  prints(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export async function withGuestSystem<T>(
  netns: TestNetns,
  act: (system: GuestSystem) => Promise<T>,
): Promise<T> {
  const files = await clientFiles();
  const apart = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--uts'];
  const words = ['netns', 'exec', netns.name, 'unshare', ...apart, 'sh', SET_UP, files];
  const holder = spawn('ip', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(holder, 'close');
  try {
    const [first] = await Promise.race([once(holder.stdout, 'data'), ended]);
    if (String(first) !== 'ready\n') throw new Error('Cannot set up the user space of a guest');
    const children = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8');
    return await act(systemOf(netns, children.trim()));
  } finally {
    holder.stdin.end();
    await ended;
  }
}

/** @param init pid of the first process of the system */
function systemOf(netns: TestNetns, init: string): GuestSystem {
  const enter = ['--target', init, '--mount', '--uts', '--net', '--pid', '--'];
  const pathOf = (path: string) => `/proc/${init}/root${path}`;
  return {
    netns,
    run: async (...words) =>
      (await execa('nsenter', [...enter, ...words], { env: ENV, extendEnv: false })).stdout,
    start(...words) {
      const child = spawn('nsenter', [...enter, ...words], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: ENV,
      });
      let [output, isRunning] = ['', true];
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data) => {
          output += data;
        });
      child.on('close', () => {
        isRunning = false;
      });
      return {
        output: () => output,
        prints: (text) =>
          until(
            `${words[0]} prints "${text}"`,
            () => output.includes(text),
            () => output,
          ),
        async kill(signal) {
          // nsenter forks, and waits for the program.
          const pid = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
          process.kill(Number(pid), signal);
          if (signal !== 'SIGKILL' && signal !== 'SIGTERM') return;
          await until('the program has ended', () => !isRunning);
        },
      };
    },
    read(path) {
      try {
        return readFileSync(pathOf(path), 'utf8');
      } catch {
        return '';
      }
    },
    write(path, text) {
      mkdirSync(dirname(pathOf(path)), { recursive: true });
      writeFileSync(pathOf(path), text);
    },
  };
}
