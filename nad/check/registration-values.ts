import { show } from '../../shared/decode.ts';
import { get, isObject } from '../../shared/json.ts';
import type { Plugin } from '../kubevirt-versions.ts';
import { type Finding, failure, warning } from './finding.ts';
import { isReference } from './reference.ts';
import { checkImage } from './registration-image.ts';
import type { Registered } from './registrations.ts';

/** Checks the values of a registration's fields that can be judged without other objects. */
export function checkPluginValues(registered: Registered): readonly Finding[] {
  const { name, plugin, at } = registered;
  return Object.entries(plugin)
    .flatMap(([field, value]) => {
      if (value === null || value === '') return [];
      const subject = `binding "${name}"`;
      const want = get(TYPES, field) as string | undefined;
      const isRight = want === 'an object' ? isObject(value) : typeof value === 'string';
      if (want !== undefined && !isRight) {
        return [failure(at(field), `${subject}: ${field} must be ${want}, got ${show(value)}`)];
      }
      if (field === 'sidecarImage') return checkImage(registered, value as string);
      if (field === 'networkAttachmentDefinition' && !isReference(value as string)) {
        const reason = `networkAttachmentDefinition ${show(value)} is not a valid name; want "NAMESPACE/NAME" or "NAME"`;
        return [failure(at(field), `${subject}: ${reason}`)];
      }
      return [];
    })
    .concat(checkWords(registered));
}

/** Types of the fields, except domainAttachmentType, which another check covers. */
const TYPES = {
  sidecarImage: 'a string',
  networkAttachmentDefinition: 'a string',
  downwardAPI: 'a string',
  migration: 'an object',
  computeResourceOverhead: 'an object',
} as const satisfies Partial<Record<keyof Plugin, string>>;

/** Fields with one known value. KubeVirt ignores any other value. */
const WORDS = { 'migration.method': 'link-refresh', downwardAPI: 'device-info' } as const;

function checkWords({ name, plugin, at }: Registered): readonly Finding[] {
  return Object.entries(WORDS).flatMap(([path, known]) => {
    const value = get(plugin, ...path.split('.'));
    if (typeof value !== 'string' || value === '' || value === known) return [];
    const message = `binding "${name}": ${path} ${show(value)} is unknown to KubeVirt, which ignores it; want "${known}", or remove it`;
    return [warning(at(path), message)];
  });
}
