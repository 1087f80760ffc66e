import { PRIMARY_TAP_IFNAME } from '../shared/kubevirt/names.ts';
import { attachment } from '../test/helpers/lab/attachment.ts';
import { startCapture } from '../test/helpers/lab/capture.ts';
import { waitForGuest } from '../test/helpers/lab/console.ts';
import { missingOnHost } from '../test/helpers/lab/host.ts';
import type { Lab } from '../test/helpers/lab/lab.ts';
import { startLibvirt } from '../test/helpers/lab/libvirt.ts';
import { makeNodeNetwork } from '../test/helpers/lab/node-network.ts';
import { addPodLink, makePod } from '../test/helpers/lab/pod-link.ts';
import { leftOvers, removeLab } from '../test/helpers/lab/remove.ts';
import { startSidecar, stopSidecar } from '../test/helpers/lab/sidecar.ts';
import { fieldsOf, frameProblems, guestProblems, netnsProblems } from '../test/helpers/lab/verdict.ts';
import { consoleOf, startVm, stopVm } from '../test/helpers/lab/virt-launcher.ts';
import { makeVm } from '../test/helpers/lab/vm.ts';
import { dumpNetns, testNetns } from '../test/helpers/netns.ts';
import { drawWiring } from './drawing.ts';
import { type Progress, paint } from './progress.ts';
import { readWiring } from './wiring.ts';

const MTU = 1500;

/** What the outside network gave the guest. */
export interface Outcome {
  readonly address4: string;
  readonly address6: string;
}

/** Says what this machine lacks, before anything is made. */
export function checkHost(): void {
  const missing = missingOnHost();
  if (missing !== undefined) throw new Error(`the demo needs ${missing}`);
}

/**
 * Takes one VM from the CNI's ADD to its DEL, step by step, and stops at the first thing that does not hold.
 *
 * @param keep ends with the VM running
 */
export async function takeTour(lab: Lab, { step }: Progress, keep: boolean): Promise<Outcome> {
  const podLink = await step('make a node and a pod with eth0 from another CNI plugin', async () => {
    await makeNodeNetwork(lab, MTU);
    await makePod(lab);
    return addPodLink(lab, { ifname: 'eth0', kind: 'veth', mtu: MTU });
  });
  const vm = makeVm(podLink);
  const wire = attachment(lab, vm.network);
  const pod = testNetns(lab.pod);
  const before = await dumpNetns(pod);
  const capture = await startCapture(lab, podLink);

  await step('CNI ADD, called as Multus calls it', wire.add);
  console.log(`\n${drawWiring(await readWiring(lab, podLink, PRIMARY_TAP_IFNAME))}\n`);

  const sidecar = await step('start the sidecar as uid 107 and ask it for Info', () => startSidecar(lab, vm));
  const libvirt = await step('start libvirtd in the pod as uid 107', () => startLibvirt(lab));
  await step('OnDefineDomain in three passes, define, start QEMU', () => startVm(lab, libvirt, sidecar, vm));
  const reports = await step('boot the guest, which asks the network outside for all', () =>
    waitForGuest(lab, consoleOf(lab)),
  );
  console.log(`\n${reports.map(({ line }) => `    ${paint('cyan', line)}`).join('\n')}\n`);
  await step('compare that with what the network outside gave and got', () =>
    expectNone(guestProblems(lab, podLink, reports)),
  );
  await step('CNI CHECK', wire.check);
  await step("see no MAC but the guest's in what came out of the pod", async () => {
    expectNone(frameProblems(podLink, await capture.stop()));
  });

  const outcome = {
    address4: fieldsOf(reports, 'lease4')['address'] ?? '',
    address6: fieldsOf(reports, 'lease6')['address'] ?? '',
  };
  if (keep) return outcome;

  await step('end the VM, tell the sidecar, see it exit with 0', async () => {
    await stopVm(lab, libvirt, vm);
    await stopSidecar(sidecar);
  });
  await step('CNI DEL', wire.del);
  await step("see the pod's netns as it was before ADD", async () => {
    expectNone(netnsProblems(before, await dumpNetns(pod)));
  });
  await step('remove all of it', async () => {
    await removeLab(lab);
    expectNone(leftOvers(lab).map((name) => `${name} is still there`));
  });
  return outcome;
}

function expectNone(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(problems.join('; '));
}
