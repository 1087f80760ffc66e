/** What virt-launcher does with a VM, from the first call of a hook to the end. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callDefineDomain } from '../hook-api.ts';
import type { GuestConsole } from './console.ts';
import { devicesOf, interfacesOf, parseDomainSpec } from './domain-spec.ts';
import { type GoElement, node, toGoXml, withChildren } from './go-xml.ts';
import type { Lab, LabPlace } from './lab.ts';
import type { Libvirt } from './libvirt.ts';
import { run } from './run.ts';
import type { Sidecar } from './sidecar.ts';
import { placeholder, toDomain, toVmi, type Vm } from './vm.ts';

/** Room for this many interfaces in all is made by placeholders. */
const RESERVED_INTERFACES = 4;

/** The console of the lab's VM. */
export function consoleOf({ dir }: LabPlace): GuestConsole {
  return { socket: join(dir, 'libvirt/run/serial0'), log: join(dir, 'libvirt/run/serial0.log') };
}

/**
 * Defines the domain in virt-launcher's three passes and starts it.
 *
 * Pass A has placeholder interfaces; pass B has none, and the devices as libvirt put them in A; pass C has one more PCI
 * port, and what is left of B's answer after virt-launcher's structs. What libvirt starts is the raw answer to pass C.
 *
 * @returns that answer
 * Source: kubevirt virtwrap/manager.go, virtwrap/network/nichotplug.go WithNetworkIfacesResources
 */
export async function startVm(
  lab: Lab,
  libvirt: Libvirt,
  { socket }: Pick<Sidecar, 'socket'>,
  vm: Vm,
): Promise<string> {
  const vmi = Buffer.from(toVmi(vm));
  const define = async (spec: GoElement): Promise<{ answer: string; inLibvirt: GoElement }> => {
    const answer = await callDefineDomain(socket, toGoXml(spec), vmi);
    const file = join(lab.dir, 'domain.xml');
    writeFileSync(file, answer);
    await run(lab, [...libvirt.virsh, 'define', file]);
    const stored = await run(lab, [...libvirt.virsh, 'dumpxml', '--inactive', vm.name]);
    return { answer, inLibvirt: parseDomainSpec(stored) };
  };

  const spec = toDomain(vm, libvirt.image, consoleOf(lab));
  const passA = await define(withInterfaces(spec, [...interfacesOf(spec), ...placeholders()]));
  const settled = withChildren(spec, 'devices', [devicesOf(passA.inLibvirt)]);
  const passB = await define(withInterfaces(settled, interfacesOf(spec)));
  const known = parseDomainSpec(passB.answer);
  const passC = await define(withRootPort(withChildren(known, 'devices', [devicesOf(passB.inLibvirt)])));

  await run(lab, [...libvirt.virsh, 'start', vm.name]);
  return passC.answer;
}

const placeholders = () => Array.from({ length: RESERVED_INTERFACES - 1 }, (_, index) => placeholder(index));

function withInterfaces(spec: GoElement, interfaces: readonly GoElement[]): GoElement {
  return withChildren(spec, 'devices', [withChildren(devicesOf(spec), 'interface', interfaces)]);
}

function withRootPort(spec: GoElement): GoElement {
  const devices = devicesOf(spec);
  const port = node('controller', { type: 'pci', model: 'pcie-root-port' });
  return withChildren(spec, 'devices', [{ ...devices, children: [...devices.children, port] }]);
}

/** Ends the VM at once; QEMU has let go of the tap when this returns. */
export async function stopVm(lab: Lab, libvirt: Libvirt, vm: Vm): Promise<void> {
  await run(lab, [...libvirt.virsh, 'destroy', vm.name]);
  await run(lab, [...libvirt.virsh, 'undefine', vm.name]);
}
