/** Runs a VM as virt-launcher does, from the first hook to the end. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callDefineDomain } from '../sidecar/hook-api.ts';
import { defineInPasses, placeholderCount } from '../sidecar/virt-launcher.ts';
import type { GuestConsole } from './console.ts';
import type { Lab, LabPlace } from './lab.ts';
import type { Libvirt } from './libvirt.ts';
import { run } from './run.ts';
import type { Sidecar } from './sidecar.ts';
import { toDomain, toVmi, type Vm } from './vm.ts';

/** The console of the lab's VM. */
export function consoleOf({ dir }: LabPlace): GuestConsole {
  return { socket: join(dir, 'libvirt/run/serial0'), log: join(dir, 'libvirt/run/serial0.log') };
}

/**
 * Defines the domain in virt-launcher's passes and starts it.
 *
 * @param sidecar null for a binding that has none
 * @param translate turns a reply into a domain that this libvirt supports
 * @returns the unchanged reply to the last pass, which is what libvirt starts
 */
export async function startVm(
  lab: Lab,
  libvirt: Libvirt,
  sidecar: Pick<Sidecar, 'socket'> | null,
  vm: Vm,
  translate: (answer: string) => string = (answer) => answer,
): Promise<string> {
  const vmi = Buffer.from(toVmi(vm));
  const file = join(lab.dir, 'domain.xml');
  const passes = await defineInPasses(toDomain(vm, libvirt.image, consoleOf(lab)), {
    hook: async (domainXml) =>
      sidecar === null ? domainXml : callDefineDomain(sidecar.socket, domainXml, vmi),
    define: async (answer) => {
      writeFileSync(file, translate(answer));
      await run(lab, [...libvirt.virsh, 'define', file]);
      return run(lab, [...libvirt.virsh, 'dumpxml', '--inactive', vm.name]);
    },
    placeholders: placeholderCount(1),
    keepsCommandline: false,
  });
  await run(lab, [...libvirt.virsh, 'start', vm.name]);
  return passes.at(-1)?.answer ?? '';
}

/** Ends the VM at once. QEMU has closed the tap when this returns. */
export async function stopVm(lab: Lab, libvirt: Libvirt, vm: Vm): Promise<void> {
  await run(lab, [...libvirt.virsh, 'destroy', vm.name]);
  await run(lab, [...libvirt.virsh, 'undefine', vm.name]);
}
