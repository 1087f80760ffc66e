/** A VM whose pod tells the guest its addresses, on a network of `served-network.ts`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  FAR,
  type Family,
  type NetworkedPod,
  OUTER,
  POD_MAC,
  type PodNetwork,
  withNetwork,
} from '../pod/served-network.ts';
import { RESOLV_CONF } from '../pod/serving.ts';
import { attachment } from './attachment.ts';
import { type Frame, startCapture } from './capture.ts';
import { type Report, runInGuest, waitForGuest } from './console.ts';
import { type Lab, withLab } from './lab.ts';
import { startLibvirt } from './libvirt.ts';
import type { PodLink } from './pod-link.ts';
import { killAllIn } from './remove.ts';
import { startSidecar, stopSidecar } from './sidecar.ts';
import { consoleOf, startVm, stopVm } from './virt-launcher.ts';
import { makeVm } from './vm.ts';

export interface ServedVm {
  readonly lab: Lab;
  readonly pod: NetworkedPod;
  /** What the guest printed while it booted. */
  readonly reports: readonly Report[];
  readonly runInGuest: (command: string) => ReturnType<typeof runInGuest>;
}

const BINDING = 'tapwire-pod-ip';

/**
 * Boots a guest that asks for addresses of these families and pings a host behind the gateway.
 *
 * @returns the frames that left the pod
 */
export const withServedVm = (
  network: PodNetwork,
  families: readonly Family[],
  use: (vm: ServedVm) => Promise<void>,
): Promise<readonly Frame[]> =>
  withLab((own) =>
    withNetwork(network, families, async (pod) => {
      const lab: Lab = { ...own, node: pod.router.name, pod: pod.pod.name };
      try {
        return await runServed(lab, pod, use);
      } finally {
        await killAllIn(lab.pod); // before the netns loses its name
      }
    }),
  );

async function runServed(
  lab: Lab,
  pod: NetworkedPod,
  use: (vm: ServedVm) => Promise<void>,
): Promise<readonly Frame[]> {
  const { mtu } = pod.network;
  const podLink: PodLink = { ifname: 'eth0', kind: 'veth', mtu, mac: POD_MAC, port: OUTER };
  const ping = (family: Family) => (pod.families.includes(family) ? FAR[family] : '');
  const vm = makeVm(podLink, { binding: BINDING, pings: [ping(4), ping(6)] });
  const wire = attachment(lab, vm.network, { guestAddresses: 'pod' });
  const resolvConf = join(lab.dir, 'resolv.conf');
  writeFileSync(resolvConf, RESOLV_CONF);

  const capture = await startCapture(lab, podLink);
  await wire.add();
  const [sidecar, libvirt] = await Promise.all([
    startSidecar(lab, vm, [{ from: resolvConf, to: '/etc/resolv.conf' }]),
    startLibvirt(lab),
  ]);
  await startVm(lab, libvirt, sidecar, vm);
  const guest = consoleOf(lab);
  const reports = await waitForGuest(lab, guest);
  console.log(`\n${reports.map(({ line }) => line).join('\n')}`); // starts a new line after uvu's output
  await use({ lab, pod, reports, runInGuest: (command) => runInGuest(lab, guest, command) });
  await wire.check();
  await stopVm(lab, libvirt, vm);
  await stopSidecar(sidecar);
  await wire.del();
  return capture.stop();
}
