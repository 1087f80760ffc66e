/**
 * A guest on the tap of a pod: a netns stands in for its kernel, and a program of QEMU's name holds
 * the tap, and is the cable to the guest's NIC.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { until } from '../agent/agent-node.ts';
import { withDirectory } from '../plugin/shim.ts';
import { type TestNetns, withNetns } from './netns.ts';

const SOURCE = resolve(import.meta.dirname, '../../netns/nic.c');
const DHCP_SCRIPT = resolve(import.meta.dirname, 'guest-dhcp.sh');

export const GATEWAY = '192.0.2.1';

/**
 * Whether one of three pings is answered. The first may be lost if the kernel has just given up
 * looking for this neighbour.
 */
export async function canPing({ name }: TestNetns, address: string): Promise<boolean> {
  const words = ['netns', 'exec', name, 'busybox', 'ping', '-c', '1', '-W', '1', address];
  for (let tries = 0; tries < 3; tries++) {
    if ((await execa('ip', words, { reject: false })).exitCode === 0) return true;
  }
  return false;
}

export interface Guest {
  /** With the NIC `nic0`, which is down and has no IPv6 until the test says so. */
  readonly netns: TestNetns;
  /** Whether the gateway answers a ping. */
  canPing(): Promise<boolean>;
  /** Whether three DISCOVERs, one a second, get a lease. Then the NIC has its address. */
  getsLease(): Promise<boolean>;
  /**
   * Plugs the NIC into the tap of a pod during `act`.
   *
   * @param tap the tap's name, or the path of a macvtap's device node
   */
  plugInto<T>(pod: TestNetns, act: () => Promise<T>, tap?: string): Promise<T>;
}

/** @param mac the NIC's */
export const withGuest = <T>(mac: string, act: (guest: Guest) => Promise<T>): Promise<T> =>
  withNetns((netns) =>
    withCableProgram(async (program) => {
      await netns.ip('tuntap add nic0 mode tap vnet_hdr');
      await netns.ip(`link set nic0 address ${mac} addrgenmode none`);
      return act(guestIn(netns, [program, netns.path, 'nic0']));
    }),
  );

/** A guest whose NIC is an Ethernet card to programs, which treat a tap in another way. */
export interface EthernetGuest extends Guest {
  /**
   * Takes the carrier from the NIC during `act`, as KubeVirt's link-refresh does for 100 ms. The
   * guest's kernel has told its programs of that before.
   */
  withoutCarrier(act: () => Promise<unknown>): Promise<void>;
}

/** @param mac the NIC's */
export const withEthernetGuest = <T>(mac: string, act: (guest: EthernetGuest) => Promise<T>): Promise<T> =>
  withNetns((outside) =>
    withNetns((netns) =>
      withCableProgram(async (program) => {
        await netns.ip(`link add nic0 address ${mac} type veth peer name wire0 netns ${outside.name}`);
        await netns.ip('link set nic0 addrgenmode none');
        await outside.ip('tuntap add wire1 mode tap vnet_hdr');
        await outside.ip('link add cable0 type bridge mcast_snooping 0');
        for (const link of ['wire0', 'wire1'])
          await outside.ip(`link set ${link} addrgenmode none master cable0 up`);
        await outside.ip('link set cable0 addrgenmode none up');
        const withoutCarrier = async (during: () => Promise<unknown>): Promise<void> => {
          await outside.ip('link set wire0 down');
          const isDown = async () => /state (LOWERLAYER)?DOWN/.test(await netns.ip('link show dev nic0'));
          await until('the guest notices that its carrier is gone', isDown);
          await during();
          await outside.ip('link set wire0 up');
        };
        return act({ ...guestIn(netns, [program, outside.path, 'wire1']), withoutCarrier });
      }),
    ),
  );

const withCableProgram = <T>(act: (program: string) => Promise<T>): Promise<T> =>
  withDirectory(async (directory) => {
    const program = join(directory, 'qemu-system-x86');
    await execa('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
    return act(program);
  });

/** @param words command line of the cable, without the pod's end */
const guestIn = (netns: TestNetns, words: readonly string[]): Guest => ({
  netns,
  canPing: () => canPing(netns, GATEWAY),
  async getsLease() {
    const client = ['busybox', 'udhcpc', '-i', 'nic0', '-nqf', '-t', '3', '-T', '1', '-s', DHCP_SCRIPT];
    const ended = await execa('ip', ['netns', 'exec', netns.name, ...client], { reject: false });
    return ended.exitCode === 0;
  },
  plugInto: (pod, use, tap = 'tap0') => withCable([...words, tap], pod, use),
});

async function withCable<T>(
  words: readonly string[],
  { path }: TestNetns,
  act: () => Promise<T>,
): Promise<T> {
  const cable = spawn('nsenter', [`--net=${path}`, ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(cable, 'exit');
  try {
    const first = await Promise.race([once(cable.stdout, 'data'), ended]);
    assert.is(String(first[0]), 'ready\n', 'the tap is open');
    return await act();
  } finally {
    cable.stdin.end();
    await ended;
  }
}
