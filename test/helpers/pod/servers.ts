/** Servers of a guest as a user without capabilities runs them, on the tap of its pod. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { withDirectory } from '../plugin/shim.ts';
import type { TestNetns } from './netns.ts';
import { addressHex, u16, zeros } from './packets.ts';

const SOURCE = resolve(import.meta.dirname, '../../netns/servers.c');
const AS_SIDECAR = [
  ...['setpriv', '--reuid=107', '--regid=107', '--clear-groups'],
  ...['--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'],
];

/** Lifetime of the router in seconds, and its MTU, in bytes. */
export const ADVERTISED = { lifetime: 1800, mtu: 1400 } as const;

/**
 * A router advertisement as the sidecar sends it: as an echo request, whose id the kernel fills in,
 * with the address of the router in the first option.
 */
const advertisementOf = (router: string): string =>
  `80000000${zeros(2)}${u16(ADVERTISED.lifetime)}${zeros(8)}` +
  `fd03${zeros(6)}${addressHex(router)}050100000000${u16(ADVERTISED.mtu)}`;

export interface Servers {
  /** What they have received: `dhcp4`, `dhcp6` or `router`, and the content in hex. */
  readonly requests: readonly string[];
}

export const withServers = <T>(
  { path }: TestNetns,
  tap: string,
  router: string,
  act: (servers: Servers) => Promise<T>,
): Promise<T> =>
  withDirectory(async (directory) => {
    const program = join(directory, 'servers');
    await execa('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
    chmodSync(directory, 0o755);
    const words = [`--net=${path}`, ...AS_SIDECAR, program, tap, advertisementOf(router)];
    const child = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    const lines = createInterface({ input: child.stdout });
    const requests: string[] = [];
    try {
      const [first] = await Promise.race([once(lines, 'line'), ended]);
      assert.is(first, 'ready', 'the servers have opened their sockets');
      lines.on('line', (line) => requests.push(line));
      return await act({ requests });
    } finally {
      child.stdin.end();
      await ended;
    }
  });
