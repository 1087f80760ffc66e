/**
 * VMs on macvtaps: the outside network of a lab at the other end of a node's lower device, and a
 * guest on the macvtap that ADD made in the lab's pod.
 */
import type { Answer, Call } from '../plugin/cni.ts';
import {
  BLUE,
  type MacvtapNode,
  type NodeOptions,
  OUTSIDE,
  showMacvtap,
  withMacvtapNode,
} from '../plugin/macvtap-node.ts';
import { type TestNetns, testNetns } from '../pod/netns.ts';
import { runInGuest, waitForGuest } from './console.ts';
import { type Lab, withLab } from './lab.ts';
import { startLibvirt } from './libvirt.ts';
import { BRIDGE, makeNodeNetwork } from './node-network.ts';
import { addPodLink, makePod, type PodLink } from './pod-link.ts';
import { ip, run } from './run.ts';
import type { RunningVm } from './scenario.ts';
import { fieldsOf, guestProblems } from './verdict.ts';
import { consoleOf, startVm, stopVm } from './virt-launcher.ts';
import { makeVm, type VmOptions } from './vm.ts';

export interface MacvtapLab {
  readonly lab: Lab;
  readonly node: MacvtapNode;
  /** The pod of the VM, with `eth0` of the pod network. */
  readonly pod: TestNetns;
  readonly mtu: number;
}

/** Link of the outside network at which all frames of the lower device arrive. */
export const PORT = OUTSIDE;

/** Runs a node whose lower device leads to the bridge with the gateways. */
export const withMacvtapLab = (
  options: NodeOptions & { readonly mtu: number },
  act: (lab: MacvtapLab) => Promise<void>,
): Promise<void> =>
  withMacvtapNode(
    (node) =>
      withLab(async (lab) => {
        const { mtu } = options;
        await makeNodeNetwork(lab, mtu);
        await makePod(lab);
        await addPodLink(lab, { ifname: 'eth0', kind: 'veth', mtu });
        await node.outside.ip(`link set ${OUTSIDE} netns ${lab.node}`);
        await ip(lab, lab.node, `link set ${OUTSIDE} master ${BRIDGE} addrgenmode none up`);
        await act({ lab, node, pod: testNetns(lab.pod), mtu });
      }),
    options,
  );

/** The running VM, and what it should have but does not. */
export interface MacvtapVm extends RunningVm {
  readonly problems: readonly string[];
  /** The guest's IPv4 and IPv6 addresses from the outside network. */
  readonly address4: string;
  readonly address6: string;
}

/** Boots the VM of the lab's pod on its macvtap, calls `use` with it, and ends it. */
export async function withVmOnMacvtap(
  { lab, pod }: MacvtapLab,
  options: VmOptions,
  use: (vm: MacvtapVm) => Promise<void>,
): Promise<void> {
  const { link } = await showMacvtap(pod);
  const podLink: PodLink = {
    ...{ ifname: BLUE, kind: 'macvtap', mtu: link.mtu, mac: link.address, port: PORT },
  };
  const vm = makeVm(podLink, { network: 'blue', binding: 'tapwire-macvtap', ...options });
  const libvirt = await startLibvirt(lab);
  const domain = await startVm(lab, libvirt, null, vm);
  const guest = consoleOf(lab);
  const reports = await waitForGuest(lab, guest);
  console.log(`\n${reports.map(({ line }) => line).join('\n')}`); // starts a new line after uvu's output
  const addressIn = (event: string) => fieldsOf(reports, event)['address']?.split('/')[0] ?? 'none';
  await use({
    lab,
    name: vm.name,
    podLink,
    nic: fieldsOf(reports, 'nic'),
    domain,
    runInGuest: (command) => runInGuest(lab, guest, command),
    virsh: (...args) => run(lab, [...libvirt.virsh, ...args]),
    problems: guestProblems(lab, podLink, reports),
    address4: addressIn('lease4'),
    address6: addressIn('lease6'),
  });
  await stopVm(lab, libvirt, vm);
}

/** A further pod on the node, with a macvtap. */
export interface OtherPod {
  readonly call: Call;
  readonly add: Answer;
  readonly mac: string;
  /** Path of its device node. */
  readonly path: string;
}

/** Gives a pod the nth device and a macvtap on it. */
export async function addMacvtapTo(node: MacvtapNode, pod: TestNetns, nth: number): Promise<OtherPod> {
  const call = node.podOf(pod, nth);
  const add = await node.succeeds('ADD', call);
  const { link } = await showMacvtap(pod);
  return { call, add, mac: link.address, path: `/dev/tap${link.ifindex}` };
}
