/** Programs of a pod that listen on the socket where the agent asks for the counts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { TURN_SOCKET } from '../../../shared/guest-services.ts';
import { withDirectory } from '../plugin/shim.ts';
import type { TestNetns } from './netns.ts';

const SOURCE = resolve(import.meta.dirname, '../../netns/lingering.c');

/** What a server does with each client, in JavaScript. */
export const BEHAVIOURS = {
  silent: '',
  endless:
    "const more = () => { while (socket.write('x'.repeat(65536))); }; socket.on('drain', more); more();",
  slow: "setInterval(() => socket.write('x'), 5);",
  'of 1 MB': "socket.end('x'.repeat(1024 * 1024));",
} as const;

/** A server that says this at once, and ends the stream. */
export const saying = (text: string): string => `socket.end(${JSON.stringify(text)});`;

/** Does not accept any client: waits for ever once it listens. */
const DEAF = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)';

const programOf = (behaviour: string, afterwards: string): string => `
  const server = require('node:net').createServer((socket) => { socket.on('error', () => {}); ${behaviour} });
  server.listen({ path: ${JSON.stringify(TURN_SOCKET)}, backlog: 1 }, () => {
    require('node:fs').writeSync(1, 'ready\\n');
    ${afterwards};
  });`;

async function withProgram<T>(
  { path }: TestNetns,
  words: readonly string[],
  act: () => Promise<T>,
): Promise<T> {
  const child = spawn('nsenter', [`--net=${path}`, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  try {
    const [first] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
    assert.is(first, 'ready', 'the server listens');
    return await act();
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** @param behaviour what it does with the `socket` of each client */
export const withPodServer = <T>(pod: TestNetns, behaviour: string, act: () => Promise<T>): Promise<T> =>
  withProgram(pod, [process.execPath, '-e', programOf(behaviour, '')], act);

export const withDeafServer = <T>(pod: TestNetns, act: () => Promise<T>): Promise<T> =>
  withProgram(pod, [process.execPath, '-e', programOf('', DEAF)], act);

/** A server that sends each client, with this text, a socket that takes minutes to close. */
export const withLingeringServer = <T>(pod: TestNetns, text: string, act: () => Promise<T>): Promise<T> =>
  withDirectory(async (directory) => {
    const program = join(directory, 'lingering');
    await execa('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
    return await withProgram(pod, [program, TURN_SOCKET.slice(1), text], act);
  });
