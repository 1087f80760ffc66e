import { show } from '../../shared/decode.ts';
import { get, isObject } from '../../shared/json.ts';
import type { Plugin } from '../kubevirt-versions.ts';
import { type Finding, failure, warning } from './finding.ts';
import { isReference } from './reference.ts';
import type { Registered } from './registrations.ts';

/** What a registration's fields may have as values, as far as one says so by itself. */
export function checkPluginValues(registered: Registered): readonly Finding[] {
  const { name, plugin, at } = registered;
  return Object.entries(plugin)
    .flatMap(([field, value]) => {
      if (value === null || value === '') return [];
      const subject = `binding "${name}"`;
      const want = get(TYPES, field) as string | undefined;
      const isRight = want === 'an object' ? isObject(value) : typeof value === 'string';
      if (want !== undefined && !isRight) {
        return [failure(at(field), `${subject}: ${field} has to be ${want}, got ${show(value)}`)];
      }
      if (field === 'sidecarImage') return checkImage(registered, value as string);
      if (field === 'networkAttachmentDefinition' && !isReference(value as string)) {
        const reason = `networkAttachmentDefinition ${show(value)} names nothing; want "NAMESPACE/NAME" or "NAME"`;
        return [failure(at(field), `${subject}: ${reason}`)];
      }
      return [];
    })
    .concat(checkWords(registered));
}

/** domainAttachmentType has a rule of its own. */
const TYPES = {
  sidecarImage: 'a string',
  networkAttachmentDefinition: 'a string',
  downwardAPI: 'a string',
  migration: 'an object',
  computeResourceOverhead: 'an object',
} as const satisfies Partial<Record<keyof Plugin, string>>;

/** What templates have where the name of an image belongs. */
const PLACEHOLDER = /^(IMAGE|<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|%.*%)$/i;

const HOST = '[A-Za-z0-9.-]+(?::\\d+)?/|\\[[\\da-fA-F:]+\\](?::\\d+)?/';
const PATH = '[a-z0-9]+(?:[._/-]+[a-z0-9]+)*';
const IMAGE = new RegExp(`^(?:${HOST})?${PATH}(?::\\w[\\w.-]{0,127})?(?:@[a-z0-9+._-]+:[\\da-f]{32,})?$`);

/** Source: distribution/reference; kubelet answers InvalidImageName. */
function checkImage({ name, at }: Registered, image: string): readonly Finding[] {
  const subject = `binding "${name}": sidecarImage ${show(image)}`;
  const place = at('sidecarImage');
  if (PLACEHOLDER.test(image)) {
    return [
      warning(place, `${subject} is a placeholder, with which no VM starts; write the name of the image`),
    ];
  }
  if (IMAGE.test(image)) return [];
  return [
    failure(place, `${subject} is not the name of an image, and no VM with this binding starts; correct it`),
  ];
}

/** Strings of which KubeVirt knows one, and takes any other for none. */
const WORDS = { 'migration.method': 'link-refresh', downwardAPI: 'device-info' } as const;

function checkWords({ name, plugin, at }: Registered): readonly Finding[] {
  return Object.entries(WORDS).flatMap(([path, known]) => {
    const value = get(plugin, ...path.split('.'));
    if (typeof value !== 'string' || value === '' || value === known) return [];
    const message = `binding "${name}": ${path} ${show(value)} means nothing to KubeVirt; want "${known}" or nothing`;
    return [warning(at(path), message)];
  });
}
