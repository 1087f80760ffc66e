import { closeSync, openSync } from 'node:fs';
import { answer } from '../cni/answer.ts';
import { openKernel } from '../cni/kernel/kernel.ts';
import { DEFAULT_POLICY } from '../cni/policy/node-policy.ts';
import { native } from '../shared/native/native.ts';

/** Calls for each pod: enough for V8 to compile the code that every call runs. */
const ROUNDS = 60;
const COMMANDS = ['ADD', 'CHECK', 'DEL'];
/** Concurrent pods: what their configurations ask for, and whether each node can do it. */
const PODS = [
  ...Array.from({ length: 3 }, () => ({ keys: {}, isRequired: true })),
  { keys: { guestAddresses: 'pod', spoofGuard: 'addresses' }, isRequired: false },
] as const;
const POD_LINK = {
  op: 'addTap',
  link: 'eth0',
  multiQueue: false,
  owner: null,
  group: null,
  selinuxContext: null,
} as const;

/** A pod link's, which a spoof guard compares. */
const ADDRESSES = [
  {
    op: 'addAddress',
    link: 'eth0',
    address: { family: 'inet', local: '192.0.2.10', prefixLength: 24, scope: 'global', nodad: false },
  },
] as const;

/**
 * Wires test pods repeatedly before the agent serves real ones: the first call of a fresh process
 * takes ten times as long as later calls.
 *
 * @throws {BindingError} if this node cannot wire pods
 */
export async function warmUp(): Promise<void> {
  await Promise.all(
    PODS.map(({ keys, isRequired }) =>
      warmPod(keys).catch((error: unknown) => {
        if (isRequired) throw error;
      }),
    ),
  );
}

async function warmPod(keys: object): Promise<void> {
  const netns = await native.newNetns();
  try {
    const kernel = openKernel(netns);
    try {
      const outcomes = await kernel.run([[POD_LINK], [{ op: 'persistTap', link: 'eth0' }], ADDRESSES], false);
      const failure = outcomes.find((outcome) => outcome instanceof Error);
      if (failure !== undefined) throw failure;
      for (let round = 0; round < ROUNDS; round++)
        await wire(`/proc/self/fd/${netns}`, `warm-up-${round}`, keys);
    } finally {
      await kernel.close();
    }
  } finally {
    closeSync(netns);
  }
}

async function wire(netns: string, containerId: string, keys: object): Promise<void> {
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
      ...keys,
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
