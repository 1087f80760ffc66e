import { get } from '../../shared/json.ts';
import { fullName, type Resource } from './resource.ts';

/** What a VM's `spec.preference` and `spec.instancetype` name. */
export type Matched = 'preference' | 'instancetype';

/** Objects of a cluster by {@link keyOf}. */
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

/** What a matcher names; undefined if the files do not have it. One that is inferred from a volume has no name. */
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

/** Kinds are read in any case and in the plural, too; without one a cluster's is meant. */
function keyOf(what: Matched, kind: string, one: Pick<Resource, 'namespace' | 'name'>): string {
  const singular = kind.toLowerCase().replace(/s$/, '') || `virtualmachinecluster${what}`;
  return `${singular} ${singular === `virtualmachine${what}` ? fullName(one) : one.name}`;
}
