import { get } from '../../shared/json.ts';
import { GATE, LAST_GATED_MINOR, type Minor } from '../kubevirt-versions.ts';
import { type Finding, failure } from './finding.ts';
import { PATCHES } from './registries.ts';
import type { Resource } from './resource.ts';

const DEVELOPER = 'spec.configuration.developerConfiguration';

/**
 * Whether an object is a whole KubeVirt CR, and so shows all gates of its cluster. A patch, which
 * has no name, does not.
 */
export const knowsGates = ({ kind, name }: Resource): boolean => kind === 'KubeVirt' && name !== '';

/** Whether a list of gates in a KubeVirt CR contains a gate. */
export function listsGate(
  { value }: Resource,
  list: 'featureGates' | 'disabledFeatureGates',
  gate: string,
): boolean {
  const gates = get(value, ...DEVELOPER.split('.'), list);
  return Array.isArray(gates) && gates.includes(gate);
}

/**
 * Whether a HyperConverged CR adds a gate, by a JSON patch, to the KubeVirt CR that its operator
 * generates.
 */
export function patchesGate(
  { kind, value }: Resource,
  list: 'featureGates' | 'disabledFeatureGates',
  gate: string,
): boolean {
  const text = kind === 'HyperConverged' ? get(value, 'metadata', 'annotations', PATCHES) : undefined;
  const path = `/${DEVELOPER.replaceAll('.', '/')}/${list}`;
  return stepsOf(text).some(
    (step) => String(get(step, 'path')).startsWith(path) && [get(step, 'value')].flat().includes(gate),
  );
}

/** The JSON patches in the annotation. Empty if it is invalid, which another check reports. */
function stepsOf(text: unknown): readonly unknown[] {
  try {
    const steps: unknown = JSON.parse(String(text));
    return Array.isArray(steps) ? steps : [];
  } catch {
    return [];
  }
}

/** Finds a KubeVirt CR whose feature gates turn binding plugins off. */
export function checkBindingGate(cr: Resource, registered: number, minor: Minor): readonly Finding[] {
  if (!knowsGates(cr) || registered === 0 || minor > LAST_GATED_MINOR) return [];
  if (listsGate(cr, 'featureGates', GATE)) return [];
  const reason = `without "${GATE}" in its feature gates, KubeVirt 1.${minor} rejects every VM that names a binding; add it`;
  return [failure(cr.at(`$.${DEVELOPER}.featureGates`), `KubeVirt "${cr.name}": ${reason}`)];
}
