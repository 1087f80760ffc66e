/** A VM whose network is a program in the pod. The CNI plugin sets at most sysctls for it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from './console.ts';
import { runInGuest, waitForGuest } from './console.ts';
import { type Lab, withLab } from './lab.ts';
import { startLibvirt } from './libvirt.ts';
import { GATEWAY4, makeNodeNetwork } from './node-network.ts';
import { addPodLink, makePod } from './pod-link.ts';
import { run, start } from './run.ts';
import { startSidecar, stopSidecar } from './sidecar.ts';
import { consoleOf, startVm, stopVm } from './virt-launcher.ts';
import { makeVm } from './vm.ts';

export interface UserModeScenario {
  readonly binding: string;
  /** TCP ports that are forwarded to the guest. */
  readonly ports: readonly number[];
  /** Called before libvirt starts. */
  readonly prepare?: (lab: Lab) => Promise<void>;
  readonly translate?: (answer: string, lab: Lab) => string;
}

/** The running VM. */
export interface UserModeVm {
  readonly lab: Lab;
  readonly name: string;
  readonly virsh: (...args: readonly string[]) => Promise<string>;
  readonly reports: readonly Report[];
  /** The sidecar's last reply. */
  readonly answer: string;
  /**
   * What the guest gets from the node's web server, and what the node gets from the guest's at this
   * port of the pod; empty if nothing.
   */
  readonly fetchFromNode: () => Promise<string>;
  readonly fetchFromGuest: (port: number) => Promise<string>;
}

/** Address of the pod. */
export const POD4 = '192.0.2.10';
const NODE_PORT = 8000;

/** Starts a program of its own in the host netns. */
const FETCH = `fetch('http://${POD4}:' + process.argv[1]).then(async (answer) => console.log(await answer.text()))`;

export function withUserModeVm(
  scenario: UserModeScenario,
  use: (vm: UserModeVm) => Promise<void>,
): Promise<void> {
  const { binding, ports, prepare, translate = (answer) => answer } = scenario;
  return withLab(async (lab) => {
    await makeNodeNetwork(lab, 1500);
    await makePod(lab);
    const podLink = await addPodLink(lab, { ifname: 'eth0', kind: 'veth', mtu: 1500 });
    serveOnNode(lab);
    await prepare?.(lab);

    const vm = makeVm(podLink, { binding, ports, attachment: 'none' });
    const [sidecar, libvirt] = await Promise.all([startSidecar(lab, vm), startLibvirt(lab)]);
    const answer = await startVm(lab, libvirt, sidecar, vm, (xml) => translate(xml, lab));
    const guest = consoleOf(lab);
    const reports = await waitForGuest(lab, guest);
    console.log(`\n${reports.map(({ line }) => line).join('\n')}`); // starts a new line after uvu's output
    const inGuest = async (command: string) => (await runInGuest(lab, guest, command)).output.trim();
    await use({
      lab,
      name: vm.name,
      virsh: (...args) => run(lab, [...libvirt.virsh, ...args]),
      reports,
      answer,
      fetchFromNode: () => inGuest(`wget -q -O - http://${GATEWAY4}:${NODE_PORT}/`),
      fetchFromGuest: async (port) => {
        await inGuest(`mkdir -p /www && echo I am the guest >/www/index.html && httpd -p ${port} -h /www`);
        return (
          await run(lab, ['ip', 'netns', 'exec', lab.node, process.execPath, '-e', FETCH, `${port}`])
        ).trim();
      },
    });
    await stopVm(lab, libvirt, vm);
    await stopSidecar(sidecar);
  });
}

function serveOnNode(lab: Lab): void {
  const home = join(lab.dir, 'www');
  mkdirSync(home);
  writeFileSync(join(home, 'index.html'), 'I am the node\n');
  start(lab, lab.node, 'httpd', ['busybox', 'httpd', '-f', '-p', `${GATEWAY4}:${NODE_PORT}`, '-h', home]);
}
