import { closeSync, openSync } from 'node:fs';
import { answer } from '../cni/answer.ts';
import { openKernel } from '../cni/kernel/kernel.ts';
import { DEFAULT_POLICY } from '../cni/policy/node-policy.ts';
import { native } from '../shared/native/native.ts';

/** Concurrent pods, and calls for each: enough for V8 to compile the code that every call runs. */
const PODS = 4;
const ROUNDS = 60;
const COMMANDS = ['ADD', 'CHECK', 'DEL'];
const POD_LINK = {
  op: 'addTap',
  link: 'eth0',
  multiQueue: false,
  owner: null,
  group: null,
  selinuxContext: null,
} as const;

/**
 * Wires test pods repeatedly before the agent serves real ones: the first call of a fresh process
 * takes ten times as long as later calls.
 *
 * @throws {BindingError} if this node cannot wire pods
 */
export async function warmUp(): Promise<void> {
  await Promise.all(Array.from({ length: PODS }, warmPod));
}

async function warmPod(): Promise<void> {
  const netns = await native.newNetns();
  try {
    const kernel = openKernel(netns);
    try {
      const outcomes = await kernel.run([[POD_LINK], [{ op: 'persistTap', link: 'eth0' }]], false);
      const failure = outcomes.find((outcome) => outcome instanceof Error);
      if (failure !== undefined) throw failure;
      for (let round = 0; round < ROUNDS; round++) await wire(`/proc/self/fd/${netns}`, `warm-up-${round}`);
    } finally {
      await kernel.close();
    }
  } finally {
    closeSync(netns);
  }
}

async function wire(netns: string, containerId: string): Promise<void> {
  const env = {
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: 'net1',
    CNI_PATH: '/opt/cni/bin',
  };
  const conf = Buffer.from(
    JSON.stringify({
      cniVersion: '1.0.0',
      name: 'warm-up',
      type: 'tapwire',
      args: { cni: { logicNetworkName: 'default' } },
      prevResult: { cniVersion: '1.0.0' },
    }),
  );
  for (const CNI_COMMAND of COMMANDS) {
    const { code, log } = await answer({ ...env, CNI_COMMAND }, () => conf, {
      openNetns: (path) => openSync(path, 'r'),
      openKernel,
      lockTimeout: 0,
      readNodePolicy: () => DEFAULT_POLICY,
      devicesOf: async () => [],
      deviceDirectory: '/dev',
    });
    if (code !== 0) throw new Error(log.map(({ message }) => message).join('; '));
  }
}
