/** Pods with macvtaps on a node for containerd, which has a lower device and a resource. */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { deviceIdsOf, fullResourceName } from '../../../../shared/kubelet/device-id.ts';
import type { Call } from '../../plugin/cni.ts';
import { argsOf, BLUE, LOWER, nodePathOf, podName } from '../../plugin/macvtap-node.ts';
import { type PodResources, withPodResources } from '../../plugin/pod-resources.ts';
import { callPlugin } from './call-plugin.ts';
import { BRIDGE } from './chain.ts';
import { configureNetwork, type Node, withNode, writeNodeFile } from './node.ts';
import { type Pod, podConfig, removePod, runPod } from './pods.ts';

export interface MacvtapPods extends Node {
  readonly kubelet: PodResources;
  readonly resource: string;
  readonly ids: readonly string[];
}

export interface MacvtapPod {
  readonly pod: Pod;
  /** The configuration of its sandbox, which every container repeats. */
  readonly config: object;
  /** Path of its device node. */
  readonly path: string;
  readonly request: Omit<Call, 'netns' | 'containerId'>;
}

/** kubelet's root directory on the node. */
const KUBELET = '/run/kubelet';

/** Starts a node that offers two devices of a resource, on which no other test has device nodes. */
export const withMacvtaps = (act: (node: MacvtapPods) => Promise<void>): Promise<void> =>
  withNode((node) =>
    withPodResources(`${node.root}${KUBELET}`, async (kubelet) => {
      const resource = `c${randomBytes(5).toString('hex')}`;
      const ids = deviceIdsOf(resource, 2);
      await node.netns.ip(`link add ${LOWER} type veth peer name wire0`);
      await node.netns.ip('link set wire0 up');
      await node.netns.ip(`link set ${LOWER} up`);
      allowMacvtap(node, resource);
      await configureNetwork(node, '1.0.0', [BRIDGE]);
      try {
        await act({ ...node, kubelet, resource, ids });
      } finally {
        for (const id of ids) rmSync(nodePathOf(id), { force: true });
      }
    }),
  );

/** Writes the node policy file. `keys` are further ones of the entry of the resource. */
export function allowMacvtap(node: Node, resource: string, keys: object = {}): void {
  const resources = [{ name: resource, lowerDevice: LOWER, capacity: 2, ...keys }];
  writeNodeFile(node, { macvtap: { resources, kubeletDirectory: KUBELET } });
}

/** Starts the sandbox of a pod that has the nth device. Its macvtap is missing. */
export async function runPodWithDevice(node: MacvtapPods, nth: number): Promise<MacvtapPod> {
  const config = podConfig(node, { log_directory: '/run/pod-logs' });
  const pod = await runPod(node, config as Record<string, unknown>);
  const id = node.ids[nth] ?? '';
  node.kubelet.give(podName(nth), fullResourceName(node.resource), [id]);
  const request = {
    ifname: BLUE,
    conf: { binding: 'macvtap', deviceID: id },
    env: { CNI_ARGS: argsOf(podName(nth)) },
  };
  return { pod, config, path: nodePathOf(id), request };
}

/** Starts such a sandbox, and adds the macvtap as Multus does. */
export async function addMacvtap(node: MacvtapPods, nth: number): Promise<MacvtapPod> {
  const pod = await runPodWithDevice(node, nth);
  const { exitCode, stdout, stderr } = await callPlugin(node, 'ADD', pod.pod, pod.request);
  assert.is(exitCode, 0, `${stdout} ${stderr}`);
  return pod;
}

/** Deletes the macvtap, then the sandbox, as Multus and containerd do. */
export async function deleteMacvtap(node: MacvtapPods, { pod, request }: MacvtapPod): Promise<void> {
  const { exitCode, stdout, stderr } = await callPlugin(node, 'DEL', pod, request);
  assert.is(exitCode, 0, `${stdout} ${stderr}`);
  await removePod(node, pod);
}

/** `major:minor` in hex, as stat(1) prints it, of the macvtap in the pod. */
export async function deviceNumberOf({ pod }: MacvtapPod): Promise<string> {
  const script = `mount -t sysfs sysfs /sys && cat /sys/class/net/${BLUE}/tap*/dev`;
  const { stdout } = await execa('nsenter', [
    `--net=${pod.netns.path}`,
    'unshare',
    '--mount',
    'sh',
    '-ec',
    script,
  ]);
  return stdout
    .split(':')
    .map((number) => Number(number).toString(16))
    .join(':');
}
