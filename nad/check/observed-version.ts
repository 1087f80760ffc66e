import { BindingError } from '../../shared/errors.ts';
import { get } from '../../shared/json.ts';
import { type Minor, parseKubevirtVersion } from '../kubevirt-versions.ts';
import type { Resource } from './resource.ts';

/** The KubeVirt version in the status of a KubeVirt CR; null if no object has one. */
export function observedMinor(resources: readonly Resource[]): Minor | null {
  const versions = resources
    .filter(({ group, kind }) => group === 'kubevirt.io' && kind === 'KubeVirt')
    .map(({ value }) => get(value, 'status', 'observedKubeVirtVersion'));
  return versions.map(parse).find((minor) => minor !== null) ?? null;
}

/** Null if the version is not a release, or is too old. */
function parse(version: unknown): Minor | null {
  if (typeof version !== 'string') return null;
  try {
    return parseKubevirtVersion(version);
  } catch (error) {
    if (error instanceof BindingError) return null;
    throw error;
  }
}
