import { closeSync, readFileSync } from 'node:fs';
import { readLower } from '../../cni/kernel/lower-device.ts';
import { DEFAULT_POLICY, type NodePolicy } from '../../cni/policy/node-policy.ts';
import { messageOf } from '../../shared/errors.ts';
import { native } from '../../shared/native/native.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { macvtapAddition } from '../../shared/rtnetlink/macvtap.ts';
import type { AgentFacts, PluginDirectory } from './facts.ts';
import type { MacvtapFacts } from './macvtap-facts.ts';
import { deviceFileSystemOf } from './parse-macvtap.ts';
import { probeRejections } from './probe-rejections.ts';

const EOPNOTSUPP = 95;

/** Observes what macvtap needs of a node. Null if the node policy file has no `$.macvtap`. */
export async function probeMacvtap(
  policy: NodePolicy,
  agent: AgentFacts,
  directories: readonly PluginDirectory[],
): Promise<MacvtapFacts | null> {
  const { macvtap } = policy;
  if (macvtap === DEFAULT_POLICY.macvtap) return null;
  const names = new Set([...macvtap.resources, ...macvtap.masters].map(({ lowerDevice }) => lowerDevice));
  const lowers = [...names].map(async (name) => [name, await readLower(name, true)] as const);
  return {
    policy: macvtap,
    kernel: await failureOfKernel(),
    deviceFileSystem: probeDeviceFileSystem(),
    lowers: new Map(await Promise.all(lowers)),
    kubelet: macvtap.resources.length === 0 ? null : await kubeletOf(macvtap.kubeletDirectory),
    rejections: await probeRejections(policy, agent, directories),
  };
}

/** Loads the gRPC library only on nodes that need it. */
const kubeletOf = async (directory: string): Promise<MacvtapFacts['kubelet']> =>
  (await import(/* webpackMode: "eager" */ './probe-kubelet.ts')).probeKubelet(directory);

/**
 * Asks the kernel for a macvtap on a link that does not exist, in a temporary netns. The kernel
 * never creates it, and its error says whether it has macvtaps.
 */
async function failureOfKernel(): Promise<string | null> {
  try {
    const netns = await native.newNetns();
    try {
      const rtnetlink = new Rtnetlink(netns);
      try {
        const requests = [macvtapAddition(IMPOSSIBLE, netns)];
        const [outcomes] = await rtnetlink.run([{ part: 'change', requests }], true);
        const refusal = outcomes === 'notReached' ? undefined : outcomes?.[0];
        if (refusal === undefined || refusal === 'done') return null;
        return refusal.errno === EOPNOTSUPP ? refusal.reason : null;
      } finally {
        await rtnetlink.close();
      }
    } finally {
      closeSync(netns);
    }
  } catch (error) {
    return messageOf(error);
  }
}

const IMPOSSIBLE = {
  ifname: 'tapwire-test',
  ifindex: 0,
  lower: 0,
  mode: 'bridge',
  mac: '02:00:00:00:00:01',
  mtu: 1500,
  txqlen: 1000,
  queues: 1,
  promisc: false,
} as const;

function probeDeviceFileSystem(): string | null {
  try {
    return deviceFileSystemOf(readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    return null;
  }
}
