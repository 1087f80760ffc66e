import { messageOf } from '../../shared/errors.ts';
import { GATE, LAST_GATED_MINOR, type Minor } from '../kubevirt.ts';
import { type Finding, failure, type Place } from './finding.ts';
import { get, isObject, type Resource } from './resource.ts';

/** A binding as a KubeVirt or HyperConverged CR has it. */
export interface Registered {
  readonly name: string;
  /** Whatever stands there. */
  readonly plugin: Readonly<Record<string, unknown>>;
  /** Where one of its fields is, or was to be. */
  readonly at: (field: string) => Place;
}

interface RegistrationsSeen {
  readonly registrations: readonly Registered[];
  readonly findings: readonly Finding[];
}

/** Where bindings are registered, by kind of CR. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  KubeVirt: ['spec.configuration.network.binding'],
  HyperConverged: ['spec.networkBinding', 'spec.networking.networkBinding'], // hco.kubevirt.io/v1beta1 and v1
};

export const isRegistry = ({ group, kind }: Resource): boolean =>
  (group === 'kubevirt.io' && kind === 'KubeVirt') ||
  (group === 'hco.kubevirt.io' && kind === 'HyperConverged');

/** Reads what a CR registers, and says what cannot be read. */
export function readRegistrations(cr: Resource, minor: Minor): RegistrationsSeen {
  const fields = (FIELDS[cr.kind] ?? []).map((field) => readField(cr, field));
  const seen = [...fields, readPatchAnnotation(cr)];
  const registrations = seen.flatMap((one) => one.registrations);
  const findings = seen.flatMap((one) => one.findings);
  return {
    registrations,
    findings: [...findings, ...checkGate(cr, registrations, minor), ...checkPlace(cr)],
  };
}

function readField({ value, at }: Resource, field: string): RegistrationsSeen {
  const bindings = get(value, ...field.split('.'));
  if (bindings === undefined || bindings === null) return NOTHING;
  const path = `$.${field}`;
  if (!isObject(bindings)) return problem(at(path), `${path} is no map of bindings by name`);
  const entries = Object.entries(bindings);
  const broken = entries.filter(([, plugin]) => !isObject(plugin));
  return {
    registrations: entries.flatMap(([name, plugin]) =>
      isObject(plugin) ? { name, plugin, at: (key: string) => at(`${path}.${name}.${key}`) } : [],
    ),
    findings: broken.map(([name]) => failure(at(`${path}.${name}`), `binding "${name}" is no object`)),
  };
}

const NOTHING: RegistrationsSeen = { registrations: [], findings: [] };

const problem = (place: Place, message: string): RegistrationsSeen => ({
  registrations: [],
  findings: [failure(place, message)],
});

/** JSON patches that the HyperConverged operator applies to the KubeVirt CR that it makes. */
const PATCHES = 'kubevirt.kubevirt.io/jsonpatch';
const POINTER = '/spec/configuration/network/binding';

function readPatchAnnotation({ kind, value, at }: Resource): RegistrationsSeen {
  const text = kind === 'HyperConverged' ? get(value, 'metadata', 'annotations', PATCHES) : undefined;
  if (typeof text !== 'string') return NOTHING;
  const place = at('$.metadata.annotations');
  let patch: unknown;
  try {
    patch = JSON.parse(text);
  } catch (error) {
    return problem(place, `annotation "${PATCHES}" is no JSON, so the operator stops: ${messageOf(error)}`);
  }
  if (!Array.isArray(patch)) return problem(place, `annotation "${PATCHES}" is no list of JSON patches`);
  const writes = patch.filter((step) => get(step, 'op') === 'add' || get(step, 'op') === 'replace');
  const whole = writes.find((step) => [POINTER, parentOf(POINTER)].includes(String(get(step, 'path'))));
  return {
    registrations: writes.flatMap((step) => {
      const [pointer, plugin] = [String(get(step, 'path')), get(step, 'value')];
      if (parentOf(pointer) !== POINTER || !isObject(plugin)) return [];
      const name = pointer
        .slice(POINTER.length + 1)
        .replaceAll('~1', '/')
        .replaceAll('~0', '~');
      return { name, plugin, at: () => place };
    }),
    findings:
      whole === undefined
        ? []
        : [
            failure(
              place,
              `annotation "${PATCHES}" writes ${get(whole, 'path')} as a whole and so takes away the bindings of others; ` +
                'register bindings in spec.networkBinding of this CR',
            ),
          ],
  };
}

const parentOf = (pointer: string): string => pointer.slice(0, Math.max(pointer.lastIndexOf('/'), 0));

/** What one indentation too few or too many makes of the field: the API server drops it without a word. */
function checkPlace({ kind, value, at }: Resource): readonly Finding[] {
  const right = FIELDS[kind] ?? [];
  const keys = right.map((field) => field.slice(field.lastIndexOf('.') + 1));
  const wrong = pathsOf(value, keys, MAX_DEPTH).filter((path) => !right.includes(path));
  return wrong.map((path) =>
    failure(
      at(`$.${path}`),
      `${kind} has no field ${path}; bindings are registered in ${right.join(' or ')}`,
    ),
  );
}

/** Deeper than any of the fields is. */
const MAX_DEPTH = 6;

/** Paths of the objects that stand at one of these keys, wherever. */
function pathsOf(value: unknown, keys: readonly string[], depth: number): readonly string[] {
  if (!isObject(value) || depth === 0) return [];
  return Object.entries(value).flatMap(([key, below]) =>
    keys.includes(key) && isObject(below)
      ? [key]
      : pathsOf(below, keys, depth - 1).map((path) => `${key}.${path}`),
  );
}

/** A patch of the CR (it has no name) says nothing of gates that the cluster may have open. */
function checkGate(cr: Resource, registrations: readonly Registered[], minor: Minor): readonly Finding[] {
  const isWhole = cr.kind === 'KubeVirt' && cr.name !== '';
  if (!isWhole || registrations.length === 0 || minor > LAST_GATED_MINOR) return [];
  const path = 'spec.configuration.developerConfiguration.featureGates';
  const gates = get(cr.value, ...path.split('.'));
  if (Array.isArray(gates) && gates.includes(GATE)) return [];
  const reason = `without "${GATE}" in its feature gates, KubeVirt 1.${minor} refuses every VM that names a binding; add it`;
  return [failure(cr.at(`$.${path}`), `KubeVirt "${cr.name}": ${reason}`)];
}
