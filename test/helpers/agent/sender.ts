/** Clients of the agent that are not a shim, and send any bytes with any descriptors. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { withDirectory } from '../plugin/shim.ts';

const SOURCE = resolve(import.meta.dirname, '../../agent/sender.c');

/** A request as the shim would frame it, unless `lengths` overrides a length. */
export function frame(
  variables: readonly (string | Uint8Array)[],
  input: string | Uint8Array = '',
  lengths: readonly (number | undefined)[] = [],
): Buffer {
  const environment = Buffer.concat(
    variables.map((variable) => Buffer.concat([Buffer.from(variable), Buffer.of(0)])),
  );
  const stdin = Buffer.from(input);
  const header = Buffer.alloc(16);
  for (const [i, length] of [environment.length, stdin.length, 0, 0].entries())
    header.writeUInt32LE(lengths[i] ?? length, 4 * i);
  return Buffer.concat([header, environment, stdin]);
}

/** Variables in the form that `frame` takes. */
export const variablesOf = (env: Readonly<Record<string, string>>): string[] =>
  Object.entries(env).map(([name, value]) => `${name}=${value}`);

export interface Reply {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Null if the agent closed without a reply. */
export function parseReply(bytes: Uint8Array): Reply | null {
  const reply = Buffer.from(bytes);
  if (reply.length === 0) return null;
  const end = 12 + reply.readUInt32LE(4);
  if (reply.length !== end + reply.readUInt32LE(8)) throw new Error(`half a reply of ${reply.length} bytes`);
  return {
    status: reply.readUInt32LE(0),
    stdout: reply.toString('utf8', 12, end),
    stderr: reply.toString('utf8', end),
  };
}

/** What the client does once it has sent its request: sender.c. */
export type Then = 'read' | 'half' | 'more' | 'leave' | 'deaf' | 'stay';

export interface Sender {
  /** Sends, and returns the reply. */
  send(
    then: Exclude<Then, 'deaf' | 'more' | 'stay'>,
    request: Uint8Array,
    ...descriptors: readonly string[]
  ): Promise<Reply | null>;
  /** Sends, and stays connected until it is called again. */
  stay(
    then: 'deaf' | 'stay',
    request: Uint8Array,
    ...descriptors: readonly string[]
  ): Promise<() => Promise<void>>;
  /** Sends, then sends one more byte when it is called again. */
  more(request: Uint8Array, ...descriptors: readonly string[]): Promise<() => Promise<void>>;
}

/** @param through a command line that runs the program as another user or in another place */
export function withSender<T>(
  socket: string,
  act: (sender: Sender) => Promise<T>,
  through: readonly string[] = [],
): Promise<T> {
  return withDirectory(async (directory) => {
    const program = join(directory, 'sender');
    await execa('gcc', ['-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
    const start = (then: Then, input: Uint8Array, descriptors: readonly string[]) => {
      const [file = '', ...words] = [...through, program, socket, then, ...descriptors];
      return execa(file, words, { input, encoding: 'buffer', reject: false, stripFinalNewline: false });
    };
    return act({
      async send(then, request, ...descriptors) {
        const { stdout, stderr, exitCode } = await start(then, request, descriptors);
        if (exitCode !== 0 && exitCode !== 3) throw new Error(Buffer.from(stderr).toString());
        return parseReply(stdout);
      },
      async stay(then, request, ...descriptors) {
        const running = start(then, request, descriptors);
        await once(running.stderr, 'data'); // All is sent.
        return async () => {
          running.kill('SIGKILL');
          await running;
        };
      },
      async more(request, ...descriptors) {
        const running = start('more', request, descriptors);
        await once(running.stderr, 'data');
        return async () => {
          running.kill('SIGUSR1');
          await once(running.stderr, 'data'); // It is sent.
        };
      },
    });
  });
}

/** A client in JavaScript, for tests without descriptors. */
export async function knock(socket: string): Promise<Socket> {
  const caller = connect(socket);
  caller.on('error', () => {}); // The agent may close at any time.
  caller.resume();
  await once(caller, 'connect');
  return caller;
}
