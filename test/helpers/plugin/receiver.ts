import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { parseRequest, type Request, withDirectory } from './shim.ts';

const SOURCE = resolve(import.meta.dirname, '../../shim/receiver.c');

/** A descriptor as it arrived: its kind, and how many bytes of the request came before it. */
export type Descriptor = readonly [before: number, dev: number, ino: number, nsType: number];

export interface Received {
  readonly descriptors: readonly Descriptor[];
  readonly bytes: Buffer;
  readonly request: Request;
}

export interface Receiver {
  readonly socket: string;
  /** The first client's request. */
  readonly received: () => Promise<Received>;
  readonly stop: () => Promise<void>;
}

/** Starts an agent in C, which keeps the descriptors of one call. With `hold` it never replies. */
export function withReceiver<T>(mode: 'reply' | 'hold', act: (receiver: Receiver) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const [program, socket] = [join(directory, 'receiver'), join(directory, 'agent.sock')];
    await execa('gcc', ['-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
    const running = execa(program, [mode, socket], { reject: false });
    const lines = running[Symbol.asyncIterator]();
    const stop = async () => {
      running.kill('SIGKILL');
      await running;
    };
    try {
      await lines.next(); // It listens.
      const received = async () => {
        const { descriptors, request } = JSON.parse((await lines.next()).value ?? '');
        const bytes = Buffer.from(request, 'hex');
        const parsed = parseRequest(bytes);
        if (parsed === null) throw new Error('the receiver took half a request');
        return { descriptors, bytes, request: parsed };
      };
      return await act({ socket, received, stop });
    } finally {
      await stop();
    }
  });
}
