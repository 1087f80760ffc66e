import { type Finding, warning } from './finding.ts';
import type { Resource } from './resource.ts';

/** What there is in API groups of which this command reads some. Source: the CRDs of Multus, KubeVirt and HyperConverged */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  'k8s.cni.cncf.io': ['NetworkAttachmentDefinition', 'MultiNetworkPolicy'],
  'kubevirt.io': [
    'KubeVirt',
    'VirtualMachine',
    'VirtualMachineInstance',
    'VirtualMachineInstanceMigration',
    'VirtualMachineInstancePreset',
    'VirtualMachineInstanceReplicaSet',
  ],
  'hco.kubevirt.io': ['HyperConverged'],
};

/** Finds kinds that those groups do not have: such an object would be passed over, and looks as if it had been checked. */
export function checkKind({ group, kind, at }: Resource): readonly Finding[] {
  const known = Object.hasOwn(KINDS, group) ? (KINDS[group] ?? []) : null;
  if (known === null || known.includes(kind.replace(/List$/, ''))) return [];
  const message = `there is no kind "${kind}" in ${group}, so it was not checked; is it misspelt?`;
  return [warning(at('$.kind'), message)];
}
