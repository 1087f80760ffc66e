import { BindingError } from '../../shared/errors.ts';
import { get } from '../../shared/json.ts';
import { type Minor, parseKubevirtVersion } from '../kubevirt-versions.ts';
import type { Resource } from './resource.ts';

/** The version that a KubeVirt CR from a cluster says it runs; null if no object says one. */
export function observedMinor(resources: readonly Resource[]): Minor | null {
  const versions = resources
    .filter(({ group, kind }) => group === 'kubevirt.io' && kind === 'KubeVirt')
    .map(({ value }) => get(value, 'status', 'observedKubeVirtVersion'));
  return versions.map(parse).find((minor) => minor !== null) ?? null;
}

/** Null for the version of a build that has none, and for one that is too old to be asked for. */
function parse(version: unknown): Minor | null {
  if (typeof version !== 'string') return null;
  try {
    return parseKubevirtVersion(version);
  } catch (error) {
    if (error instanceof BindingError) return null;
    throw error;
  }
}
