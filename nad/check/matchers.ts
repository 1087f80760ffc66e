import { get } from '../../shared/json.ts';
import { fullName, type Resource } from './resource.ts';

/** Kind of object that a VM's `spec.preference` or `spec.instancetype` names. */
export type Matched = 'preference' | 'instancetype';

/** Indexes preferences or instancetypes by {@link keyOf}. */
export const byKey = <T>(
  resources: readonly Resource[],
  what: Matched,
  read: (one: Resource) => T,
): ReadonlyMap<string, T> =>
  new Map(
    resources
      .filter(({ group }) => group === 'instancetype.kubevirt.io')
      .map((one) => [keyOf(what, one.kind, one), read(one)]),
  );

/**
 * Finds the object that a matcher names. Undefined if the files do not have it, or if KubeVirt
 * infers it from a volume.
 */
export function findMatched<T>(
  what: Matched,
  matcher: unknown,
  namespace: string,
  all: ReadonlyMap<string, T>,
): T | undefined {
  const [name, kind] = [get(matcher, 'name'), get(matcher, 'kind')];
  if (typeof name !== 'string' || name === '') return undefined;
  return all.get(keyOf(what, typeof kind === 'string' ? kind : '', { namespace, name }));
}

/**
 * Key of an object. KubeVirt accepts kinds in any case and in the plural. The default is the
 * cluster-wide kind.
 */
function keyOf(what: Matched, kind: string, one: Pick<Resource, 'namespace' | 'name'>): string {
  const singular = kind.toLowerCase().replace(/s$/, '') || `virtualmachinecluster${what}`;
  return `${singular} ${singular === `virtualmachine${what}` ? fullName(one) : one.name}`;
}
