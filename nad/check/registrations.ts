import { messageOf } from '../../shared/errors.ts';
import { get, isObject } from '../../shared/json.ts';
import type { Minor } from '../kubevirt-versions.ts';
import { checkBindingGate } from './feature-gates.ts';
import { type Finding, failure, type Place } from './finding.ts';
import { PATCHES, REGISTRY_FIELDS } from './registries.ts';
import { checkRegistryKeys, isPlugin } from './registry-keys.ts';
import { pathTo, type Resource } from './resource.ts';

/** A binding in a KubeVirt or HyperConverged CR. */
export interface Registered {
  readonly name: string;
  /** Its fields; the values are not validated. */
  readonly plugin: Readonly<Record<string, unknown>>;
  /** Finds the place of one of its fields, or of the nearest parent. */
  readonly at: (field: string) => Place;
  /**
   * Whether it is in a whole CR. A patch, which has no name, may replace what another object says.
   */
  readonly isWhole: boolean;
}

interface RegistrationsSeen {
  readonly registrations: readonly Registered[];
  readonly findings: readonly Finding[];
}

/** Reads the registrations in a CR, and reports those that cannot be read. */
export function readRegistrations(cr: Resource, minor: Minor): RegistrationsSeen {
  const fields = (REGISTRY_FIELDS[cr.kind] ?? []).map((field) => readField(cr, field));
  const seen = [...fields, readPatchAnnotation(cr)];
  const registrations = seen.flatMap((one) => one.registrations);
  const findings = seen.flatMap((one) => one.findings);
  return {
    registrations,
    findings: [...findings, ...checkBindingGate(cr, registrations.length, minor), ...checkRegistryKeys(cr)],
  };
}

function readField({ name: cr, value, at }: Resource, field: string): RegistrationsSeen {
  const bindings = get(value, ...field.split('.'));
  if (bindings === undefined || bindings === null) return NOTHING;
  const path = `$.${field}`;
  if (!isObject(bindings)) return problem(at(path), `${path} is not a map of bindings by name`);
  const entries = Object.entries(bindings);
  const broken = entries.filter(([, plugin]) => !isObject(plugin));
  return {
    registrations: entries.flatMap(([name, plugin]) =>
      isObject(plugin)
        ? { name, plugin, isWhole: cr !== '', at: (key: string) => at(`${pathTo(path, name)}.${key}`) }
        : [],
    ),
    findings: broken.map(([name]) => failure(at(pathTo(path, name)), `binding "${name}" is not an object`)),
  };
}

const NOTHING: RegistrationsSeen = { registrations: [], findings: [] };

const problem = (place: Place, message: string): RegistrationsSeen => ({
  registrations: [],
  findings: [failure(place, message)],
});

const POINTER = '/spec/configuration/network/binding';

function readPatchAnnotation({ name: cr, kind, value, at }: Resource): RegistrationsSeen {
  const text = kind === 'HyperConverged' ? get(value, 'metadata', 'annotations', PATCHES) : undefined;
  if (typeof text !== 'string') return NOTHING;
  const place = at(pathTo('$.metadata.annotations', PATCHES));
  let patch: unknown;
  try {
    patch = JSON.parse(text);
  } catch (error) {
    return problem(place, `annotation "${PATCHES}" is not JSON, so the operator stops: ${messageOf(error)}`);
  }
  if (!Array.isArray(patch)) return problem(place, `annotation "${PATCHES}" is not a list of JSON patches`);
  const writes = patch.filter((step) => get(step, 'op') === 'add' || get(step, 'op') === 'replace');
  const whole = writes.find((step) => [POINTER, parentOf(POINTER)].includes(String(get(step, 'path'))));
  const strays = writes
    .filter((step) => isPlugin(get(step, 'value')))
    .map((step) => String(get(step, 'path')))
    .filter((pointer) => parentOf(pointer) !== POINTER);
  return {
    registrations: writes.flatMap((step) => {
      const [pointer, plugin] = [String(get(step, 'path')), get(step, 'value')];
      if (parentOf(pointer) !== POINTER || !isObject(plugin)) return [];
      const name = pointer
        .slice(POINTER.length + 1)
        .replaceAll('~1', '/')
        .replaceAll('~0', '~');
      return { name, plugin, isWhole: cr !== '', at: () => place };
    }),
    findings: [
      ...strays.map((pointer) =>
        failure(
          place,
          `annotation "${PATCHES}" registers nothing at ${pointer}; write bindings to ${POINTER}/NAME`,
        ),
      ),
      ...(whole === undefined
        ? []
        : [
            failure(
              place,
              `annotation "${PATCHES}" replaces all of ${get(whole, 'path')}, which removes other bindings; ` +
                'register bindings in spec.networkBinding of this CR',
            ),
          ]),
    ],
  };
}

const parentOf = (pointer: string): string => pointer.slice(0, Math.max(pointer.lastIndexOf('/'), 0));
