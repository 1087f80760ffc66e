/**
 * A pod as the real plugin wires it, in which everything that Tapwire shows of it is the same in
 * every run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { cni, newContainerId } from '../plugin/cni.ts';
import { type TestNetns, withNetns } from './netns.ts';

/**
 * The pod of this process. The node knows the pods of all test files, which run next to each other,
 * so each has its own.
 */
export const CONTAINER_ID = newContainerId();
export const POD = `vms/virt-launcher-vm1-${CONTAINER_ID.slice(0, 5)}`;

/** Names of a pod; `inspect` finds pods by them. */
export interface PodNames {
  /** `namespace/name` */
  readonly name: string;
  readonly containerId: string;
}
const NAMES: PodNames = { name: POD, containerId: CONTAINER_ID };

const POD_MAC = '02:00:00:00:00:10';

export interface WiredPod {
  readonly netns: TestNetns;
  /** Netns of the other end of the pod link. */
  readonly outside: TestNetns;
  /** Command line that runs a program where the container runtime's results name the pod. */
  readonly withResults: readonly string[];
}

export function withWiredPod<T>(
  act: (pod: WiredPod) => Promise<T>,
  conf: Readonly<Record<string, unknown>> = {},
  names = NAMES,
): Promise<T> {
  return withNetns((outside) =>
    withNetns(async (netns) => {
      await netns.ip(
        `link add eth0 mtu 1450 address ${POD_MAC} type veth peer name host0 mtu 1450 netns ${outside.name}`,
      );
      // Only the test sends frames, so that counters show what it did.
      await netns.ip('link set eth0 addrgenmode none');
      await outside.ip('link set host0 addrgenmode none');
      await outside.ip('link set host0 up');
      await netns.ip('link set eth0 up');
      await netns.ip('addr add 192.0.2.10/24 dev eth0');
      await netns.ip('addr add 2001:db8::10/64 dev eth0 nodad');
      await outside.ip('addr add 192.0.2.1/24 dev host0');
      await outside.ip(`neigh add 192.0.2.10 lladdr ${POD_MAC} dev host0 nud permanent`);
      const add = await cni('ADD', {
        netns: netns.path,
        containerId: names.containerId,
        network: 'default',
        conf,
      });
      assert.is(add.exitCode, 0, add.stdout);
      const inPod = (words: readonly string[]) => act({ netns, outside, withResults: words });
      return withResults(netns, inPod, undefined, names);
    }),
  );
}

/**
 * Bytes of each frame that is sent, as ingress counts them, without the Ethernet header: IP 20, UDP
 * 8, content.
 */
export const FRAME_BYTES = 20 + 8 + 500;

/** Sends frames to the pod, which get no reply. */
export async function sendFrames({ outside }: WiredPod, count: number): Promise<void> {
  const send = `for _ in $(seq ${count}); do printf %500s >/dev/udp/192.0.2.10/9; done`;
  await execa('ip', ['netns', 'exec', outside.name, 'bash', '-c', send]);
}

/** Lets QEMU hold the tap, as in a VM's pod. */
export async function withQemu<T>({ netns }: WiredPod, queues: number, act: (pid: number) => Promise<T>) {
  const netdev = `tap,id=n,ifname=tap0,script=no,downscript=no${queues > 1 ? `,queues=${queues}` : ''}`;
  const words = ['-M', 'none', '-display', 'none', '-nodefaults', '-netdev', netdev];
  const qemu = spawn(
    'ip',
    ['netns', 'exec', netns.name, 'qemu-system-x86_64', '-S', ...words, '-qmp', 'stdio'],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  try {
    await once(qemu.stdout, 'data'); // QMP's greeting: the descriptors of QEMU are open.
    return await act(qemu.pid ?? 0);
  } finally {
    qemu.kill();
    await once(qemu, 'exit');
  }
}

/**
 * Command line that runs a program where the container runtime keeps libcni's result of an ADD with
 * this configuration.
 */
export async function withResults<T>(
  { path }: TestNetns,
  act: (words: readonly string[]) => Promise<T>,
  conf: object = { type: 'bridge' },
  { name, containerId } = NAMES,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-results-'));
  try {
    mkdirSync(join(directory, 'cni/results'), { recursive: true });
    const result = {
      kind: 'cniCacheV1',
      containerId,
      ifName: 'eth0',
      networkName: 'k8s-pod-network',
      config: Buffer.from(JSON.stringify(conf)).toString('base64'),
      cniArgs: [
        ['K8S_POD_NAMESPACE', name.split('/')[0]],
        ['K8S_POD_NAME', name.split('/')[1]],
      ],
      result: { cniVersion: '1.0.0', interfaces: [{ name: 'eth0', sandbox: `/var${path}` }] },
    };
    writeFileSync(join(directory, `cni/results/k8s-pod-network-${containerId}-eth0`), JSON.stringify(result));
    return await act([
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount --bind "$0" /var/lib && exec "$@"',
      directory,
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
