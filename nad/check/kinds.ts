import { show } from '../../shared/decode.ts';
import { get } from '../../shared/json.ts';
import type { Document } from './document.ts';
import { type Finding, failure, warning } from './finding.ts';
import { groupOf, type Resource } from './resource.ts';

/**
 * All kinds of the API groups that this command reads.
 *
 * Source: the CRDs of Multus, multi-networkpolicy, ipamclaims, KubeVirt and HyperConverged
 */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  'k8s.cni.cncf.io': ['NetworkAttachmentDefinition', 'MultiNetworkPolicy', 'IPAMClaim'],
  'kubevirt.io': [
    'KubeVirt',
    'VirtualMachine',
    'VirtualMachineInstance',
    'VirtualMachineInstanceMigration',
    'VirtualMachineInstancePreset',
    'VirtualMachineInstanceReplicaSet',
  ],
  'pool.kubevirt.io': ['VirtualMachinePool'],
  'instancetype.kubevirt.io': [
    'VirtualMachineInstancetype',
    'VirtualMachineClusterInstancetype',
    'VirtualMachinePreference',
    'VirtualMachineClusterPreference',
  ],
  'hco.kubevirt.io': ['HyperConverged'],
};

/** Kinds that exist in one group only, with their apiVersion. */
const API_VERSIONS: Readonly<Record<string, string>> = {
  NetworkAttachmentDefinition: 'k8s.cni.cncf.io/v1',
  KubeVirt: 'kubevirt.io/v1',
  VirtualMachineInstance: 'kubevirt.io/v1',
  VirtualMachineInstanceReplicaSet: 'kubevirt.io/v1',
  VirtualMachinePool: 'pool.kubevirt.io/v1beta1',
  HyperConverged: 'hco.kubevirt.io/v1beta1',
};

const own = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

/**
 * Finds a kind or group that does not exist. Such an object would be skipped, but would look as if
 * it was checked.
 */
export function checkKind({ group, kind, at }: Resource): readonly Finding[] {
  const known = own(KINDS, group);
  const want = own(API_VERSIONS, kind);
  if (known?.includes(kind.replace(/List$/, ''))) return [];
  if (known === undefined && want === undefined) return [];
  const missing = `there is no kind "${kind}" in ${group === '' ? 'the core group' : group}, so it was not checked`;
  return want === undefined
    ? [warning(at('$.kind'), `${missing}; check the spelling`)]
    : [warning(at('$.apiVersion'), `${missing}; write apiVersion: ${want}`)];
}

/** Finds objects of these groups that lack `kind` or `apiVersion`. */
export function checkTypeNames({ value, at }: Document): readonly Finding[] {
  const [apiVersion, kind] = [get(value, 'apiVersion'), get(value, 'kind')];
  if (typeof apiVersion === 'string' && kind === undefined && own(KINDS, groupOf(apiVersion)) !== undefined) {
    return [failure(at('$'), `an object of ${apiVersion} has no kind, so it was not checked; write one`)];
  }
  const want = typeof kind === 'string' && apiVersion === undefined ? own(API_VERSIONS, kind) : undefined;
  return want === undefined
    ? []
    : [failure(at('$'), `a ${kind} has no apiVersion, so it was not checked; write apiVersion: ${want}`)];
}

/** Finds names that YAML does not read as text, such as `name: on`. */
export function checkMetadata({ group, kind, value, at }: Resource): readonly Finding[] {
  if (own(KINDS, group) === undefined) return [];
  return ['name', 'namespace'].flatMap((key) => {
    const name = get(value, 'metadata', key);
    if (typeof name !== 'boolean' && typeof name !== 'number') return [];
    const reason = `metadata.${key} is ${show(name)} and not text, and the API server rejects it; put it between quotes`;
    return [failure(at(`$.metadata.${key}`), `${kind}: ${reason}`)];
  });
}
