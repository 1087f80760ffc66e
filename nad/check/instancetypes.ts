import { get } from '../../shared/json.ts';
import { byKey, findMatched } from './matchers.ts';
import type { Resource } from './resource.ts';

/** vCPUs of instancetypes by kind and name; null if the number is missing or invalid. */
export type Instancetypes = ReadonlyMap<string, number | null>;

/**
 * Reads the vCPUs of all instancetypes. A preference only divides them into sockets, cores and
 * threads.
 *
 * Source: kubevirt pkg/instancetype/apply/cpu.go
 */
export function readInstancetypes(resources: readonly Resource[]): Instancetypes {
  return byKey(resources, 'instancetype', ({ value }) => {
    const guest = get(value, 'spec', 'cpu', 'guest');
    return typeof guest === 'number' && Number.isInteger(guest) && guest > 0 ? guest : null;
  });
}

/**
 * Finds the vCPUs of a VM's instancetype.
 *
 * @param matcher `spec.instancetype` of the VM
 * @returns null if the instancetype is unknown; undefined if the VM has no instancetype
 */
export function findVcpus(
  matcher: unknown,
  namespace: string,
  instancetypes: Instancetypes,
): number | null | undefined {
  if (matcher === undefined || matcher === null) return undefined;
  return findMatched('instancetype', matcher, namespace, instancetypes) ?? null;
}
