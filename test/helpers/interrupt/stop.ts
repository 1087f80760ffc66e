/** Stops a command at a moment, as a terminal, `kill` or a closed window does. */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox } from './sandbox.ts';

/** `Ctrl-C` and `close` go through a real terminal, the others to the process group. */
export type Blow = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGQUIT' | 'Ctrl-C' | 'close';

export interface Moment {
  /** Output after which the clock starts; the start of the command if it is empty. */
  readonly after: string;
  /** ms */
  readonly delay: number;
  /** In order, each with the ms after the first. Either all through a terminal, or none. */
  readonly blows: readonly (readonly [Blow, number])[];
}

export interface Stopped {
  readonly output: string;
  /** Whether the command had ended before the first signal. */
  readonly isOver: boolean;
  /** Time of the first signal, as Date.now() returns it. */
  readonly first: number;
  /** ms from the first signal until a line said that the command is stopping; null if none did. */
  readonly told: number | null;
  /** ms from the first signal until the last process has ended; null if one did not. */
  readonly ended: number | null;
}

const isOfTerminal = (blow: Blow): boolean => blow === 'Ctrl-C' || blow === 'close';

/**
 * Runs the command and stops it.
 *
 * @param timeout ms that its processes have to end
 */
export async function stopAt(
  sandbox: Sandbox,
  directory: string,
  command: string,
  moment: Moment,
  timeout: number,
): Promise<Stopped> {
  const { after, delay, blows } = moment;
  const terminal = blows.some(([blow]) => isOfTerminal(blow));
  const words = terminal ? ['script', '-qefc', command, '/dev/null'] : ['sh', '-c', command];
  const [file, ...args] = sandbox.enter(directory, words);
  const child = spawn(file, args, {
    detached: true,
    stdio: 'pipe',
    env: userEnvironment(),
  });
  let output = '';
  let told: number | null = null;
  let first = Number.POSITIVE_INFINITY;
  const read = (chunk: Buffer) => {
    output += chunk;
    if (told === null && first < Number.POSITIVE_INFINITY && `${chunk}`.includes('Stopped by '))
      told = performance.now() - first;
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  child.stdin.on('error', () => {}); // The terminal is closed.
  let isOver = false;
  child.on('close', () => {
    isOver = true;
  });
  const isGone = () => isOver && sandbox.processes().length === 0;

  while (!output.includes(after) && !isOver) await sleep(5);
  for (const start = performance.now(); performance.now() - start < delay && !isOver; ) await sleep(5);
  first = performance.now();
  const firstDate = Date.now();
  const wasOver = isOver;
  const strikes = isOver
    ? []
    : blows.map(async ([blow, at]) => {
        await sleep(at);
        strike(child.pid ?? 0, blow, () => child.stdin.write('\x03'));
      });
  while (!isGone() && performance.now() - first < timeout) await sleep(10);
  const ended = isGone() ? performance.now() - first : null;
  await Promise.all(strikes);
  child.stdin.end();
  return { output, isOver: wasOver, first: firstDate, told, ended };
}

/**
 * The environment of a user's shell: without that of npm and of a run of the tests. npm caches its
 * own compiled code in /tmp, unless told otherwise.
 */
function userEnvironment(): NodeJS.ProcessEnv {
  const { TMPDIR: _, PATH = '', ...rest } = process.env;
  const path = PATH.split(':').filter((entry) => !entry.includes('node_modules'));
  const env = Object.entries(rest).filter(([name]) => !/^(npm_|TAPWIRE_)/.test(name));
  return {
    ...Object.fromEntries(env),
    PATH: ['/mnt/bin', ...path].join(':'),
    NO_COLOR: '1',
    NODE_DISABLE_COMPILE_CACHE: '1',
  };
}

/** A terminal is closed when script(1), which has its other end, is gone. */
function strike(pid: number, blow: Blow, pressCtrlC: () => void): void {
  try {
    if (blow === 'Ctrl-C') pressCtrlC();
    else if (blow === 'close') process.kill(pid, 'SIGKILL');
    else process.kill(-pid, blow);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // has ended
  }
}

/** Lines of a stack trace, or of a crash of Node. */
export const stackTrace = (output: string): readonly string[] =>
  output
    .split('\n')
    .filter((line) => /^\s+at .*:\d+:\d+\)?\r?$|node:internal|SuppressedError|^Node\.js v\d/.test(line));
