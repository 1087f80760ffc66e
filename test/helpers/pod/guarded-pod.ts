/** A pod with addresses, wired by ADD with guest services or a spoof guard in either form. */
import { closeSync, openSync } from 'node:fs';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { tapBinding } from '../../../cni/bindings/tap/tap.ts';
import { openKernel } from '../../../cni/kernel/kernel.ts';
import type { RuleForm } from '../../../cni/kernel/rules.ts';
import { apply } from '../../../cni/plan/apply.ts';
import { DEFAULT_POLICY } from '../../../cni/policy/node-policy.ts';
import { devicesOf } from '../../../shared/kubelet/pod-devices.ts';
import type { SpoofGuard } from '../../../shared/record.ts';
import { CLASSIFIERS } from '../../../shared/rtnetlink/filter.ts';
import { type TestNetns, withNetns } from './netns.ts';
import { tapConf } from './seen.ts';
import { MAC, OWN4, OWN6, ROUTER } from './spoof-kinds.ts';

export const POD_LINKS = ['veth', 'macvlan'] as const;
export type PodLinkKind = (typeof POD_LINKS)[number];

export interface Passing {
  readonly guestAddresses: 'network' | 'pod';
  readonly spoofGuard: SpoofGuard;
}

export interface AddressedPod {
  readonly netns: TestNetns;
  /** Has `host0`, where the frames of the pod arrive. */
  readonly outside: TestNetns;
}

/** Addresses of the gateway at `host0`, in the same subnets as the pod's. */
export const GATEWAYS = ['192.0.2.1', '2001:db8::1'] as const;
const GATEWAY_MAC = '02:00:00:00:00:01';

/** A pod that no attachment uses yet. Only the test sends frames. */
export const withAddressedPod = <T>(kind: PodLinkKind, act: (pod: AddressedPod) => Promise<T>): Promise<T> =>
  withNetns((outside) =>
    withNetns(async (netns) => {
      if (kind === 'veth') {
        await netns.ip(`link add eth0 address ${MAC} type veth peer name host0 netns ${outside.name}`);
      } else {
        await outside.ip('link add lower0 type veth peer name host0');
        await outside.ip('link set lower0 addrgenmode none up');
        await outside.ip(
          `link add eth0 link lower0 address ${MAC} netns ${netns.name} type macvlan mode bridge`,
        );
      }
      await netns.ip('link set lo up');
      await outside.ip(`link set host0 addrgenmode none address ${GATEWAY_MAC} up`);
      await netns.ip('link set eth0 addrgenmode none');
      await netns.ip('link set eth0 up');
      for (const own of OWN4) await netns.ip(`addr add ${own}/24 dev eth0`);
      for (const own of OWN6) await netns.ip(`addr add ${own}/64 dev eth0 nodad`);
      await netns.ip(`-6 route add default via ${ROUTER} dev eth0`);
      return act({ netns, outside });
    }),
  );

/**
 * Runs ADD with these keys.
 *
 * @param form of the spoof guard
 * @param network the VMI's name of it
 * @param ifname another one for each attachment
 */
export async function wire(
  { netns }: Pick<AddressedPod, 'netns'>,
  passing: Passing,
  form: RuleForm = 'program',
  network = 'default',
  ifname = network === 'default' ? 'net1' : 'net2',
): Promise<void> {
  const fd = openSync(netns.path, 'r');
  const kernel = openKernel(fd, { classifiers: { candidates: CLASSIFIERS, guardForms: [form] } });
  try {
    const args = { cni: { logicNetworkName: network } };
    const call = {
      key: { containerId: 'pod1', ifname },
      netns: netns.path,
      version: '1.0.0',
      pod: { namespace: 'vms', name: 'virt-launcher-vm1-abcde' },
    } as const;
    const { levels, warnings } = await tapBinding(tapConf({ args, ...passing })).plan(kernel, call, {
      policy: DEFAULT_POLICY,
      devicesOf,
    });
    assert.equal(warnings, []);
    await apply(levels, kernel.run);
  } finally {
    await kernel.close();
    closeSync(fd);
  }
}

export const inNetns = async ({ name }: TestNetns, ...words: readonly string[]): Promise<string> =>
  (await execa('ip', ['netns', 'exec', name, ...words])).stdout;
