/** A program in a pod that listens on all addresses, and tells what it gets. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { until } from '../agent/agent-node.ts';
import type { TestNetns } from './netns.ts';

/** The TCP and UDP port of the program. */
export const PORT = 7000;

/** Prints each datagram as a line: family, port of the socket, content in hex. */
const PROGRAM = `
  const { createSocket } = require('node:dgram');
  const { createServer } = require('node:net');
  const sockets = [['udp4', '0.0.0.0'], ['udp6', '::']].map(([type, address]) => {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    socket.on('message', (bytes) => console.log(type, bytes.toString('hex')));
    return new Promise((resolve) => socket.bind(${PORT}, address, resolve));
  });
  const servers = [['0.0.0.0', false], ['::', true]].map(([host, ipv6Only]) =>
    new Promise((resolve) => createServer().listen({ port: ${PORT}, host, ipv6Only }, resolve)));
  Promise.all([...sockets, ...servers]).then(() => console.log('ready'));
  process.stdin.on('end', () => process.exit()).resume();`;

export interface Listeners {
  /** Waits for all datagrams that have arrived, and returns them: `udp4 CONTENT`, in hex. */
  received(): Promise<readonly string[]>;
}

export async function withListeners<T>({ name, path }: TestNetns, act: (listeners: Listeners) => Promise<T>) {
  const words = [`--net=${path}`, process.execPath, '-e', PROGRAM];
  const child = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  try {
    await until('the program listens', () => lines.includes('ready'));
    return await act({
      async received() {
        const last = ['udp4', 'udp6'].map((type) => `${type} ${Buffer.from('last').toString('hex')}`);
        const script = `printf last >/dev/udp/127.0.0.1/${PORT}; printf last >/dev/udp/::1/${PORT}`;
        await execa('ip', ['netns', 'exec', name, 'bash', '-c', script]);
        await until('the program gets what it is told itself', () =>
          last.every((line) => lines.includes(line)),
        );
        return lines.filter((line) => line !== 'ready' && !last.includes(line));
      },
    });
  } finally {
    child.stdin.end();
    await ended;
  }
}
