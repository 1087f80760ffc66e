import { get } from '../../shared/json.ts';
import { byKey, findMatched } from './matchers.ts';
import type { Resource } from './resource.ts';

/** vCPUs of instancetypes by kind and name; null: it does not say how many, or not as KubeVirt wants it. */
export type Instancetypes = ReadonlyMap<string, number | null>;

/** Source: kubevirt pkg/instancetype/apply/cpu.go; a preference only divides them into sockets, cores and threads. */
export function readInstancetypes(resources: readonly Resource[]): Instancetypes {
  return byKey(resources, 'instancetype', ({ value }) => {
    const guest = get(value, 'spec', 'cpu', 'guest');
    return typeof guest === 'number' && Number.isInteger(guest) && guest > 0 ? guest : null;
  });
}

/**
 * @param matcher `spec.instancetype` of a VM
 * @returns its vCPUs; null: nobody knows; undefined: it has none
 */
export function findVcpus(
  matcher: unknown,
  namespace: string,
  instancetypes: Instancetypes,
): number | null | undefined {
  if (matcher === undefined || matcher === null) return undefined;
  return findMatched('instancetype', matcher, namespace, instancetypes) ?? null;
}
