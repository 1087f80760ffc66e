import { advice, doubt, type Problem } from './finding.ts';
import type { NadIndex } from './nad-index.ts';
import { findNad, isReference, parseReference } from './reference.ts';
import type { Vm } from './vm.ts';

/**
 * Full names of the NADs that VMs' networks name and that the files lack, so that these networks
 * cannot be checked. Without those of a NAD in another namespace, which is an error.
 */
export function unknownNads(vms: readonly Vm[], nads: NadIndex): readonly string[] {
  const names = vms.flatMap((vm) =>
    vm.networks.flatMap(({ multus }) => (multus === null ? [] : unknownName(multus.networkName, vm, nads))),
  );
  return [...new Set(names)];
}

/** Finds a misspelt name of a network's NAD. It may still be the name of a NAD in the cluster. */
export function problemsOfUnknownNad(text: string, vm: Vm, nads: NadIndex): readonly Problem[] {
  return unknownName(text, vm, nads).flatMap((fullName) => {
    const [namespace = '', name = ''] = fullName.split('/', 2);
    const meant = nads.nearest(namespace, name);
    if (meant === undefined) return [];
    const reason = `NetworkAttachmentDefinition "${fullName}" is not in the input, which has "${namespace}/${meant}"`;
    return withoutDigits(meant) === withoutDigits(name)
      ? [advice(`${reason}; check the number`)]
      : [doubt(`${reason}; check the spelling`)];
  });
}

/** Names that differ only in digits are often those of different networks: "vlan100", "vlan101". */
const withoutDigits = (name: string): string => name.replace(/\d/g, '');

function unknownName(text: string, { namespace }: Vm, nads: NadIndex): readonly string[] {
  if (!isReference(text)) return [];
  const reference = parseReference(text);
  const isKnown = findNad(reference, namespace, nads) !== undefined || nads.named(reference.name).length > 0;
  return isKnown ? [] : [`${reference.namespace ?? namespace}/${reference.name}`];
}
