import { get, type JsonObject } from '../../shared/json.ts';
import type { Document } from './document.ts';
import type { Place } from './finding.ts';

/** An object of the Kubernetes API. */
export interface Resource {
  /** `kubevirt.io`, of any version. */
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  /** "" where it has none: a patch, a template. */
  readonly name: string;
  readonly value: JsonObject;
  /** As a document's. */
  readonly at: (path: string) => Place;
}

/** The objects of a document: itself, or those of a list. None if it is not an object of the API. */
export function resourcesOf({ value, at }: Document): readonly Resource[] {
  const kind = get(value, 'kind');
  const items = get(value, 'items');
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
    return items.flatMap((item, i) => toResource(item, (path) => at(path.replace('$', `$.items[${i}]`))));
  }
  return toResource(value, at);
}

function toResource(value: unknown, at: Document['at']): Resource[] {
  const [apiVersion, kind] = [get(value, 'apiVersion'), get(value, 'kind')];
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return [];
  const [name, namespace] = [get(value, 'metadata', 'name'), get(value, 'metadata', 'namespace')];
  return [
    {
      group: groupOf(apiVersion),
      kind,
      namespace: typeof namespace === 'string' && namespace !== '' ? namespace : 'default',
      name: typeof name === 'string' ? name : '',
      value: value as JsonObject,
      at,
    },
  ];
}

/** `kubevirt.io` of `kubevirt.io/v1`; "" of `v1`. */
export const groupOf = (apiVersion: string): string =>
  apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';

/** The JSON path of a key below a path. */
export const pathTo = (path: string, key: string): string =>
  /^[\w-]+$/.test(key) ? `${path}.${key}` : `${path}["${key.replaceAll('"', '')}"]`;

/** How people call a namespaced object. */
export const fullName = ({ namespace, name }: Pick<Resource, 'namespace' | 'name'>): string =>
  `${namespace}/${name}`;
