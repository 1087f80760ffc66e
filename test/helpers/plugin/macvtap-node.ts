/**
 * A node for macvtaps: a netns in which the plugin runs, with a lower device whose other end is
 * outside, a node policy file, and kubelet's pod-resources API. The device nodes are in /dev of
 * this machine, so the resource has a random name, from which the numbers of its device nodes
 * follow.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { deviceIdsOf, fullResourceName, ifindexWithoutDevice } from '../../../shared/kubelet/device-id.ts';
import { hashedPodIfname } from '../../../shared/kubevirt/names.ts';
import type { Agent } from '../agent/agent.ts';
import { HANG } from '../hang.ts';
import { type TestNetns, withNetns } from '../pod/netns.ts';
import {
  type Answer,
  type Call,
  callOn,
  environmentOf,
  netconf,
  newContainerId,
  type OtherNode,
} from './cni.ts';
import { type Behaviour, type PodName, type PodResources, withPodResources } from './pod-resources.ts';
import { startOther, WAY } from './way.ts';

/** The lower device in the node's netns, and its other end. */
export const LOWER = 'uplink0';
export const OUTSIDE = 'wire0';
/** Ifname of the macvtap in a pod. */
export const BLUE = hashedPodIfname('blue');

type Keys = Readonly<Record<string, unknown>>;

export interface MacvtapNode {
  readonly netns: TestNetns;
  readonly outside: TestNetns;
  /** Short name of the resource. */
  readonly resource: string;
  readonly ids: readonly string[];
  readonly kubelet: PodResources;
  /** `$.macvtap` of the node policy file. */
  readonly policy: Keys;
  /** Command line that runs a program on the node. */
  readonly under: readonly string[];
  /** Path of the node policy file. */
  readonly nodeFile: string;
  /** Replaces `$.macvtap`; null deletes the node policy file. */
  setPolicy(macvtap: Keys | null): void;
  /**
   * Returns the calls of a new container of the pod `virt-launcher-vm<nth>-abcde`, to which kubelet
   * gives the nth device.
   */
  podOf(netns: TestNetns, nth?: number, conf?: Keys): Call;
  /** Returns the calls of a new container with a macvtap on the lower device and no device. */
  masterPodOf(netns: TestNetns, conf?: Keys): Call;
  /** The node for calls with another environment or input than `call` has. */
  asOther(): Promise<OtherNode>;
  call(command: string, call: Call): Promise<Answer>;
  /** Calls the plugin, and fails unless the call succeeds. */
  succeeds(command: string, call: Call, why?: string): Promise<Answer>;
  /** Names of the device nodes in /dev that belong to this node's macvtaps, or did. */
  deviceNodes(): readonly string[];
}

export interface NodeOptions {
  /** Keys of the entry of the resource. */
  readonly entry?: Keys;
  /** Keys of the entry of the lower device in `masters`. */
  readonly master?: Keys;
  readonly mtu?: number;
  readonly kubelet?: Behaviour;
  /** Environment of the agent, in addition. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Number of devices. */
const CAPACITY = 64;

export const podName = (nth: number): PodName => ({
  namespace: 'vms',
  name: `virt-launcher-vm${nth}-abcde`,
});

/** The variable CNI_ARGS that Multus sets for a pod. */
export const argsOf = ({ namespace, name }: PodName): string =>
  `IgnoreUnknown=true;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};K8S_POD_UID=1`;

/** Number of the device node, which is the macvtap's ifindex. */
export const ifindexOf = (id: string): number => Number(id.slice(-10));

/** Path of the device node of a device. */
export const nodePathOf = (id: string): string => `/dev/tap${ifindexOf(id)}`;

/** Creates a node; afterwards fails if a device node is left. */
export const withMacvtapNode = (
  act: (node: MacvtapNode) => Promise<unknown>,
  options: NodeOptions = {},
): Promise<void> =>
  withNetns((outside) =>
    withNetns(async (netns) => {
      await makeLower(netns, outside, options.mtu ?? 1500);
      const directory = mkdtempSync(join(tmpdir(), 'tw-kubelet-'));
      try {
        await withPodResources(
          directory,
          (kubelet) => onNode({ netns, outside, kubelet }, options, act),
          options.kubelet,
        );
      } finally {
        rmSync(directory, { recursive: true });
      }
    }),
  );

/** Creates the lower device, and its other end outside. */
export async function makeLower(node: TestNetns, outside: TestNetns, mtu: number): Promise<void> {
  await node.ip(
    `link add ${LOWER} mtu ${mtu} type veth peer name ${OUTSIDE} mtu ${mtu} netns ${outside.name}`,
  );
  await node.ip('link set lo up'); // the agent serves its health there
  for (const [netns, link] of [
    [node, LOWER],
    [outside, OUTSIDE],
  ] as const) {
    await netns.ip(`link set ${link} addrgenmode none`);
    await netns.ip(`link set ${link} up`);
  }
}

async function onNode(
  parts: Pick<MacvtapNode, 'netns' | 'outside' | 'kubelet'>,
  { entry = {}, master, env }: NodeOptions,
  act: (node: MacvtapNode) => Promise<unknown>,
): Promise<void> {
  const { netns, kubelet } = parts;
  const resource = `t${randomBytes(5).toString('hex')}`;
  const ids = deviceIdsOf(resource, CAPACITY);
  const policy = {
    resources: [{ name: resource, lowerDevice: LOWER, capacity: CAPACITY, ...entry }],
    ...(master === undefined ? {} : { masters: [{ lowerDevice: LOWER, ...master }] }),
    kubeletDirectory: kubelet.directory,
  };
  const under = ['/usr/bin/nsenter', `--net=${netns.path}`];
  const nodeFile = join(kubelet.directory, 'node.json');
  const names = new Set(ids.map((id) => `tap${ifindexOf(id)}`));
  let agent: Promise<Agent> | undefined;

  const asOther = async (): Promise<OtherNode> => {
    if (WAY === 'agent') agent ??= startOther({ under, nodeFile, ...(env === undefined ? {} : { env }) });
    return { under, nodeFile, agent: await agent };
  };
  const call = async (command: string, request: Call): Promise<Answer> =>
    callOn(await asOther(), environmentOf(command, request), JSON.stringify(netconf(request)));
  const callOf = (pod: TestNetns, nth: number, conf: Keys): Call => ({
    netns: pod.path,
    ifname: BLUE,
    containerId: newContainerId(),
    conf: { binding: 'macvtap', ...conf },
    env: { CNI_ARGS: argsOf(podName(nth)) },
  });
  const node: MacvtapNode = {
    ...parts,
    resource,
    ids,
    policy,
    under,
    nodeFile,
    setPolicy(macvtap) {
      if (macvtap === null) rmSync(nodeFile);
      else writeFileSync(nodeFile, JSON.stringify({ macvtap }), { mode: 0o600 });
    },
    podOf(pod, nth = 0, conf = {}) {
      const id = ids[nth] ?? '';
      kubelet.give(podName(nth), fullResourceName(resource), [id]);
      return callOf(pod, nth, { deviceID: id, ...conf });
    },
    masterPodOf(pod, conf = {}) {
      const request = callOf(pod, 0, { master: LOWER, ...conf });
      names.add(`tap${ifindexWithoutDevice(request.containerId ?? '', BLUE)}`);
      return request;
    },
    asOther,
    call,
    async succeeds(command, request, why = command) {
      const answer = await call(command, request);
      assert.is(answer.exitCode, 0, `${why}: ${command} says ${answer.stdout}`);
      return answer;
    },
    deviceNodes: () => readdirSync('/dev').filter((name) => names.has(name)),
  };
  try {
    node.setPolicy(policy);
    await act(node);
    await settle(node);
  } finally {
    await (await agent)?.stop();
    for (const name of node.deviceNodes()) rmSync(join('/dev', name), { recursive: true });
  }
}

/** Waits until the kernel has deleted the device nodes of pods that have ended. */
async function settle(node: MacvtapNode): Promise<void> {
  const deadline = performance.now() + HANG;
  while (node.deviceNodes().length > 0) {
    assert.ok(performance.now() < deadline, `left in /dev: ${node.deviceNodes().join(', ')}`);
    await sleep(10);
  }
}

/** What ip(8) and a new sysfs say of a link in a pod. */
export interface ShownLink {
  // biome-ignore lint/suspicious/noExplicitAny: a test compares what it needs of it
  readonly link: any;
  readonly flags: readonly string[];
  readonly disableIpv6: string;
  /** `major:minor` that the device node must have. */
  readonly device: string;
}

/** Reads a macvtap in a pod; fails if there is none. */
export async function showMacvtap({ name, ip }: TestNetns, ifname = BLUE): Promise<ShownLink> {
  const [link] = JSON.parse(await ip(`-d -j link show ${ifname}`));
  const files = `/proc/sys/net/ipv6/conf/${ifname}/disable_ipv6 /sys/class/net/${ifname}/tap${link.ifindex}/dev`;
  const { stdout } = await execa('ip', ['netns', 'exec', name, 'cat', ...files.split(' ')]);
  const [disableIpv6 = '', device = ''] = stdout.split('\n');
  return { link, flags: link.flags, disableIpv6, device };
}

/** `major:minor owner:group mode` of a device node; null if there is no file. */
export function showDeviceNode(ifindex: number): string | null {
  const file = lstatSync(`/dev/tap${ifindex}`, { throwIfNoEntry: false });
  if (file === undefined) return null;
  const number = `${(file.rdev >>> 8) & 0xfff}:${(file.rdev & 0xff) | ((file.rdev >>> 12) & 0xfff00)}`;
  const kind = file.isCharacterDevice() ? number : 'not a device';
  return `${kind} ${file.uid}:${file.gid} ${(file.mode & 0o7777).toString(8)}`;
}

/** Fails unless the pod's macvtap has its own device node, for QEMU alone. */
export async function hasOwnDevice(pod: TestNetns, ifname = BLUE, owner = '107:107'): Promise<void> {
  const { link, device } = await showMacvtap(pod, ifname);
  assert.is(showDeviceNode(link.ifindex), `${device} ${owner} 600`);
}

/** Opens a device node for reading and writing, as the user of QEMU. */
export async function openAsQemu(ifindex: number): Promise<{ exitCode: number | undefined; stderr: string }> {
  const words = ['--reuid=107', '--regid=107', '--clear-groups', 'sh', '-c', `exec 3<>/dev/tap${ifindex}`];
  const { exitCode, stderr } = await execa('setpriv', words, { reject: false });
  return { exitCode, stderr };
}
