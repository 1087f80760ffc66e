import { get } from '../../shared/json.ts';
import { GATE, LAST_GATED_MINOR, type Minor } from '../kubevirt-versions.ts';
import { type Finding, failure } from './finding.ts';
import { PATCHES } from './registries.ts';
import type { Resource } from './resource.ts';

const DEVELOPER = 'spec.configuration.developerConfiguration';

/** Whether a KubeVirt CR says how its cluster's gates are: a patch (it has no name) does not. */
export const knowsGates = ({ kind, name }: Resource): boolean => kind === 'KubeVirt' && name !== '';

/** Whether a list of gates in a KubeVirt CR names one. */
export function listsGate(
  { value }: Resource,
  list: 'featureGates' | 'disabledFeatureGates',
  gate: string,
): boolean {
  const gates = get(value, ...DEVELOPER.split('.'), list);
  return Array.isArray(gates) && gates.includes(gate);
}

/** Whether a HyperConverged CR adds a gate to a list of the KubeVirt CR that its operator makes. */
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

/** Empty if the annotation is not a list of JSON patches, which is a finding of its own. */
function stepsOf(text: unknown): readonly unknown[] {
  try {
    const steps: unknown = JSON.parse(String(text));
    return Array.isArray(steps) ? steps : [];
  } catch {
    return [];
  }
}

/** Finds that binding plugins are off. */
export function checkBindingGate(cr: Resource, registered: number, minor: Minor): readonly Finding[] {
  if (!knowsGates(cr) || registered === 0 || minor > LAST_GATED_MINOR) return [];
  if (listsGate(cr, 'featureGates', GATE)) return [];
  const reason = `without "${GATE}" in its feature gates, KubeVirt 1.${minor} refuses every VM that names a binding; add it`;
  return [failure(cr.at(`$.${DEVELOPER}.featureGates`), `KubeVirt "${cr.name}": ${reason}`)];
}
