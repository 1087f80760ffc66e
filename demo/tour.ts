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
import { dumpNetns, testNetns } from '../test/helpers/pod/netns.ts';
import { drawWiring } from './drawing.ts';
import { type Progress, paint } from './progress.ts';
import { readWiring } from './wiring.ts';

const MTU = 1500;

/** The addresses that the guest got from the outside network. */
export interface Outcome {
  readonly address4: string;
  readonly address6: string;
}

/**
 * Checks the requirements before anything is created.
 *
 * @throws {Error} that names what is missing
 */
export function checkHost(): void {
  const missing = missingOnHost();
  if (missing !== undefined) throw new Error(`the demo needs ${missing}`);
}

/**
 * Runs one VM from CNI ADD to DEL, step by step. Stops at the first problem.
 *
 * @param keep whether to leave the VM running
 * @throws {Error} that describes the problem
 */
export async function takeTour(lab: Lab, { step, silence }: Progress, keep: boolean): Promise<Outcome> {
  lab.signal.addEventListener('abort', silence);
  const podLink = await step('create a node and a pod with eth0 of another CNI plugin', async () => {
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

  const sidecar = await step('start the sidecar as uid 107 and call Info', () => startSidecar(lab, vm));
  const libvirt = await step('start libvirtd in the pod as uid 107', () => startLibvirt(lab));
  await step('OnDefineDomain in three passes, define, start QEMU', () => startVm(lab, libvirt, sidecar, vm));
  const reports = await step('boot the guest, which configures itself from outside', () =>
    waitForGuest(lab, consoleOf(lab)),
  );
  console.log(`\n${reports.map(({ line }) => `    ${paint('cyan', line)}`).join('\n')}\n`);
  await step('compare its reports with the outside network', () =>
    expectNone(guestProblems(lab, podLink, reports)),
  );
  await step('CNI CHECK', wire.check);
  await step("check that all frames from the pod have the guest's MAC", async () => {
    expectNone(frameProblems(podLink, await capture.stop()));
  });

  const outcome = {
    address4: fieldsOf(reports, 'lease4')['address'] ?? '',
    address6: fieldsOf(reports, 'lease6')['address'] ?? '',
  };
  if (keep) return outcome;

  await step('stop the VM and the sidecar; the sidecar exits with 0', async () => {
    await stopVm(lab, libvirt, vm);
    await stopSidecar(sidecar);
  });
  await step('CNI DEL', wire.del);
  await step("check that the pod's netns is as before ADD", async () => {
    expectNone(netnsProblems(before, await dumpNetns(pod)));
  });
  await step('delete the node and the pod', async () => {
    await removeLab(lab);
    expectNone(leftOvers(lab).map((name) => `${name} still exists`));
  });
  return outcome;
}

function expectNone(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(problems.join('; '));
}
