/** A pod with a macvtap on a device of a node that is a netns of its own. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { firstIfindexOf } from '../../../shared/kubelet/device-id.ts';
import { encodeRecord, type MacvtapRecord } from '../../../shared/record.ts';
import { NODE } from '../agent/agent.ts';
import { environmentOf, netconf } from '../plugin/cni.ts';
import { type TestNetns, withNetns } from './netns.ts';
import { CONTAINER_ID, withResults } from './wired-pod.ts';

const ONE_SHOT = new URL('../../../dist/cni/index.js', import.meta.url).pathname;

export const LOWER = 'uplink0';
/** A pod link as KubeVirt names those of secondary networks. */
export const MACVTAP = 'pod37a8eec1ce1';
const GUEST_MAC = '02:00:00:00:00:20';
const MTU = 1500;

export interface MacvtapPod {
  /** Stands in for the node's netns: the lower device is here. */
  readonly node: TestNetns;
  readonly pod: TestNetns;
  /** A resource of the node policy file; no two tests have the same. */
  readonly resource: string;
  /** Index of the first device of the resource. */
  readonly ifindex: number;
  /** Path of its device node. */
  readonly devicePath: string;
  /** Command line that runs a program on the node. */
  readonly onNode: readonly string[];
}

/** A node with a lower device, and a pod without any link. */
export function withMacvtapNode<T>(act: (pod: MacvtapPod) => Promise<T>, keys: object = {}): Promise<T> {
  return withNetns((node) =>
    withNetns(async (pod) => {
      await node.ip('link set lo up');
      await node.ip(`link add ${LOWER} address 02:00:00:00:00:01 type veth peer name wire0`);
      for (const link of [LOWER, 'wire0']) {
        await node.ip(`link set ${link} addrgenmode none`);
        await node.ip(`link set ${link} up`);
      }
      const resource = `vm-${randomBytes(2).toString('hex').slice(1)}`;
      const macvtap = { resources: [{ name: resource, lowerDevice: LOWER }], ...keys };
      return withNodeFile({ macvtap }, (withFile) =>
        withResults(pod, (words) => {
          const ifindex = firstIfindexOf(resource);
          const devicePath = `/dev/tap${ifindex}`;
          const onNode = [...words, ...withFile, 'ip', 'netns', 'exec', node.name];
          // The kernel does not delete a file that a test puts in place of the device node.
          const clean = () => rmSync(devicePath, { force: true });
          return act({ node, pod, resource, ifindex, devicePath, onNode }).finally(clean);
        }),
      );
    }),
  );
}

/** Command line that runs a program where the node policy file has this content. */
async function withNodeFile<T>(content: object, act: (words: readonly string[]) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-node-'));
  try {
    const file = join(directory, 'node.json');
    writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
    const lines =
      'mount -t tmpfs none /etc && mkdir /etc/tapwire && cp "$0" /etc/tapwire/node.json && exec "$@"';
    return await act(['unshare', '--mount', 'sh', '-c', lines, file]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The record of the macvtap that `addMacvtap` adds. */
export const macvtapRecord = (changes: Partial<MacvtapRecord> = {}): MacvtapRecord => ({
  key: { containerId: CONTAINER_ID, ifname: MACVTAP },
  binding: 'macvtap',
  lowerDevice: LOWER,
  mode: 'bridge',
  mac: GUEST_MAC,
  mtu: MTU,
  owner: 107,
  group: 107,
  allmulticast: true,
  promisc: false,
  ...changes,
});

/** Adds the macvtap as ADD does: kubelet has given the pod the first device of the resource. */
export async function addMacvtap({ node, pod, ifindex, devicePath }: MacvtapPod, queues = 1): Promise<void> {
  const { lowerDevice, mode, mac, mtu } = macvtapRecord();
  await node.ip(
    `link add link ${lowerDevice} name ${MACVTAP} index ${ifindex} address ${mac} mtu ${mtu} ` +
      `numtxqueues ${queues} numrxqueues ${queues} netns ${pod.name} type macvtap mode ${mode}`,
  );
  const finish = [
    `ip link set ${MACVTAP} alias "$1"`,
    `ip link set ${MACVTAP} addrgenmode none allmulticast on`,
    `echo 1 >/proc/sys/net/ipv6/conf/${MACVTAP}/disable_ipv6`,
    `ip link set ${MACVTAP} up`,
    `chown 107:107 ${devicePath}; chmod 600 ${devicePath}`,
  ].join('\n');
  const words = ['netns', 'exec', pod.name, 'sh', '-ec', finish, 'sh', encodeRecord(macvtapRecord())];
  await execa('ip', words);
}

/** Calls the plugin on the node, without an agent. */
export async function macvtapCni(
  command: string,
  { pod, onNode }: MacvtapPod,
  conf: Readonly<Record<string, unknown>>,
): Promise<void> {
  const call = {
    netns: pod.path,
    ifname: MACVTAP,
    containerId: CONTAINER_ID,
    conf: { binding: 'macvtap', ...conf },
  };
  const [file = '', ...words] = [...onNode, NODE, ONE_SHOT];
  const { exitCode, stdout } = await execa(file, words, {
    input: JSON.stringify(netconf(call)),
    env: environmentOf(command, call),
    reject: false,
  });
  assert.is(exitCode, 0, stdout);
}

/** Lets QEMU hold the device node, as in a VM's pod. */
export async function withQemuAt<T>(
  { pod }: MacvtapPod,
  path: string,
  act: (pid: number) => Promise<T>,
): Promise<T> {
  const netdev = 'tap,id=n,fd=3';
  const line = `exec qemu-system-x86_64 -S -M none -display none -nodefaults -netdev ${netdev} -qmp stdio 3<>"$0"`;
  const qemu = spawn('ip', ['netns', 'exec', pod.name, 'sh', '-c', line, path], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  try {
    const ended = once(qemu, 'exit').then(([status]) => {
      throw new Error(`QEMU ended with ${status}`);
    });
    // QMP's greeting: the descriptors of QEMU are open.
    await Promise.race([once(qemu.stdout, 'data'), ended]);
    ended.catch(() => {});
    return await act(qemu.pid ?? 0);
  } finally {
    qemu.kill();
    await once(qemu, 'exit');
  }
}
