import { get, type JsonObject } from '../../shared/json.ts';
import type { Document } from './document.ts';
import type { Place } from './finding.ts';

/** A Kubernetes object. */
export interface Resource {
  /** API group without the version, such as `kubevirt.io`. */
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  /** "" if it has none, as patches and templates. */
  readonly name: string;
  readonly value: JsonObject;
  /** Finds the place of the value at a JSON path in the object. */
  readonly at: (path: string) => Place;
}

/** The Kubernetes objects of a document: the document itself, or the items of a list. */
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

/** Group of an apiVersion: `kubevirt.io` for `kubevirt.io/v1`, "" for `v1`. */
export const groupOf = (apiVersion: string): string =>
  apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';

/** JSON path of a key under a path. */
export const pathTo = (path: string, key: string): string =>
  /^[\w-]+$/.test(key) ? `${path}.${key}` : `${path}["${key.replaceAll('"', '')}"]`;

/** `namespace/name` of an object. */
export const fullName = ({ namespace, name }: Pick<Resource, 'namespace' | 'name'>): string =>
  `${namespace}/${name}`;
