/** Whole Ethernet frames on a link, a tap or a macvtap's device node, as hex. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { withDirectory } from '../plugin/shim.ts';
import type { TestNetns } from './netns.ts';

const SOURCE = resolve(import.meta.dirname, '../../netns/frames.c');

export interface FrameSocket {
  /** All frames that have arrived, in order. */
  readonly received: readonly string[];
  send(frame: string): void;
  close(): Promise<void>;
}

/**
 * @param what `tap` opens it as the guest does; `node` opens a device node as the user of QEMU;
 * `link` opens a packet socket, which receives frames that arrive at the link
 * @param name the ifname, or the path of the device node
 */
export type OpenFrames = (
  netns: TestNetns,
  what: 'tap' | 'node' | 'link',
  name: string,
) => Promise<FrameSocket>;

const AS_QEMU = ['setpriv', '--reuid=107', '--regid=107', '--clear-groups'];

/** Compiles the program that sends and receives; closes what is still open at the end. */
export function withFrames<T>(act: (open: OpenFrames) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const program = join(directory, 'frames');
    await execa('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
    chmodSync(directory, 0o755); // QEMU's user runs the program
    const sockets: FrameSocket[] = [];
    try {
      return await act(async (netns, what, name) => {
        const user = what === 'node' ? AS_QEMU : [];
        const socket = await openFrames([...user, program, what, name], netns);
        sockets.push(socket);
        return socket;
      });
    } finally {
      await Promise.all(sockets.map((socket) => socket.close()));
    }
  });
}

async function openFrames(words: readonly string[], { path }: TestNetns): Promise<FrameSocket> {
  const child = spawn('nsenter', [`--net=${path}`, ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  const received: string[] = [];
  const [first] = await Promise.race([once(lines, 'line'), ended]);
  if (first !== 'ready') throw new Error(`Cannot open ${words.slice(1).join(' ')}`);
  lines.on('line', (line) => received.push(line));
  return {
    received,
    send(frame) {
      child.stdin.write(`${frame}\n`);
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
