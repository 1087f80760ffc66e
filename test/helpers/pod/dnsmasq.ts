/** A DHCP server and a router on a link of a netns. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { until } from '../agent/agent-node.ts';
import type { TestNetns } from './netns.ts';

/**
 * @param serves what it serves on `ifname`, as options of dnsmasq, such as `--dhcp-range=…`
 * @param act gets a function that returns the log so far
 */
export async function withDnsmasq<T>(
  { name }: TestNetns,
  ifname: string,
  serves: readonly string[],
  act: (log: () => string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-dnsmasq-'));
  const pidFile = join(directory, 'pid');
  const logFile = join(directory, 'log');
  const options = [
    '--conf-file=/dev/null',
    '--keep-in-foreground',
    `--pid-file=${pidFile}`,
    `--log-facility=${logFile}`,
    `--dhcp-leasefile=${join(directory, 'leases')}`,
    '--user=root',
    '--port=0', // no DNS
    `--interface=${ifname}`,
    '--bind-dynamic',
    '--no-ping', // assign the address without waiting a second for a reply to a ping
    '--dhcp-authoritative',
  ];
  const words = ['netns', 'exec', name, 'dnsmasq', ...options, ...serves];
  const running = execa('ip', words, { reject: false, all: true });
  let hasEnded = false;
  running.then(() => {
    hasEnded = true;
  });
  try {
    await until('dnsmasq serves', () => existsSync(pidFile) || hasEnded);
    if (hasEnded) assert.unreachable(`dnsmasq: ${(await running).all}`);
    return await act(() => readFileSync(logFile, 'utf8'));
  } finally {
    running.kill();
    await running;
    rmSync(directory, { recursive: true });
  }
}
