import * as assert from 'uvu/assert';
import { dumpNetns, testNetns } from '../pod/netns.ts';
import { attachment } from './attachment.ts';
import { type Frame, startCapture } from './capture.ts';
import { runInGuest, waitForGuest } from './console.ts';
import { type Lab, withLab } from './lab.ts';
import { startLibvirt } from './libvirt.ts';
import { makeNodeNetwork } from './node-network.ts';
import { addPodLink, makePod, ownAddresses, type PodLink, type PodLinkKind } from './pod-link.ts';
import { run } from './run.ts';
import { startSidecar, stopSidecar } from './sidecar.ts';
import { fieldsOf, frameProblems, guestProblems } from './verdict.ts';
import { consoleOf, startVm, stopVm } from './virt-launcher.ts';
import { makeVm, type VmOptions } from './vm.ts';

/** One VM on one pod link, from ADD to DEL. */
export interface Scenario {
  readonly ifname: string;
  readonly kind?: PodLinkKind;
  /** MTU in bytes. */
  readonly mtu?: number;
  /** Keys of the binding NAD. */
  readonly conf?: Readonly<Record<string, unknown>>;
  readonly vm?: VmOptions;
}

/** The running VM. */
export interface RunningVm {
  readonly lab: Lab;
  /** Name of the domain. */
  readonly name: string;
  readonly podLink: PodLink;
  /** The guest's report of its NIC. */
  readonly nic: Readonly<Record<string, string | undefined>>;
  /** The domain that libvirt runs. */
  readonly domain: string;
  readonly runInGuest: (command: string) => ReturnType<typeof runInGuest>;
  readonly virsh: (...args: readonly string[]) => Promise<string>;
}

/** Results that are known only at the end. */
export interface Aftermath {
  /** Frames that arrived from the pod. */
  readonly frames: readonly Frame[];
}

/**
 * Runs a VM on a tap that the real programs created, calls `use` with it, and removes everything.
 * Fails unless the guest got all that it asked the outside network for, only its frames left the
 * pod, and DEL left the netns as ADD found it.
 */
export function withVm(
  scenario: Scenario,
  use: (vm: RunningVm) => Promise<void> = async () => {},
): Promise<Aftermath> {
  const { ifname, kind = 'veth', mtu = 1500, conf = {}, vm: options = {} } = scenario;
  return withLab(async (lab) => {
    await makeNodeNetwork(lab, mtu);
    await makePod(lab);
    if (ifname !== 'eth0') await addPodLink(lab, { ifname: 'eth0', kind: 'veth', mtu });
    const podLink = await addPodLink(lab, { ifname, kind, mtu });
    const vm = makeVm(podLink, options);
    const wire = attachment(lab, vm.network, conf);
    const pod = testNetns(lab.pod);

    const before = await dumpNetns(pod);
    const capture = await startCapture(lab, podLink);
    await wire.add();
    const [sidecar, libvirt] = await Promise.all([startSidecar(lab, vm), startLibvirt(lab)]);
    const domain = await startVm(lab, libvirt, sidecar, vm);
    const guest = consoleOf(lab);
    const reports = await waitForGuest(lab, guest);
    console.log(`\n${reports.map(({ line }) => line).join('\n')}`); // starts a new line after uvu's output
    const nic = fieldsOf(reports, 'nic');
    await use({
      lab,
      name: vm.name,
      podLink,
      nic,
      domain,
      runInGuest: (command) => runInGuest(lab, guest, command),
      virsh: (...args) => run(lab, [...libvirt.virsh, ...args]),
    });
    await wire.check();
    await stopVm(lab, libvirt, vm);
    await stopSidecar(sidecar);
    await wire.del();
    const frames = await capture.stop();
    const after = await dumpNetns(pod);

    const own = conf['guestAddresses'] === 'pod' ? ownAddresses(podLink) : undefined;
    if (vm.asks) assert.equal(guestProblems(lab, podLink, reports, own), []);
    assert.equal(frameProblems(podLink, frames), []);
    assert.equal(after, before);
    return { frames };
  });
}
