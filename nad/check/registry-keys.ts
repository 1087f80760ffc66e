import { get, type JsonObject } from '../../shared/json.ts';
import type { Plugin } from '../kubevirt-versions.ts';
import { nearest } from './almost.ts';
import { type Finding, failure } from './finding.ts';
import { REGISTRY_FIELDS } from './registries.ts';
import type { Resource } from './resource.ts';

/** Keys of the maps of bindings, in any registry. */
const KEYS = ['binding', 'networkBinding'];
/** Deeper than any of the fields is. */
const MAX_DEPTH = 8;

/**
 * Finds bindings in a CR at a place where they register nothing, because the key is misspelt or indented too far to the left or right.
 * The API server drops fields that it does not know silently.
 */
export function checkRegistryKeys({ kind, value, at }: Resource): readonly Finding[] {
  const right = REGISTRY_FIELDS[kind] ?? [];
  const { metadata: _, status: __, ...settings } = value;
  return misplaced(settings, [], right).map((path) => {
    const name = path.join('.');
    return failure(
      at(`$${path.map((key) => `["${key}"]`).join('')}`),
      `${kind} has no field ${name}; bindings are registered in ${right.join(' or ')}`,
    );
  });
}

/** Paths of the objects that look like a binding, or like a map of bindings, and are not where those belong. */
function misplaced(
  value: JsonObject | readonly unknown[],
  above: readonly string[],
  right: readonly string[],
): readonly (readonly string[])[] {
  if (above.length === MAX_DEPTH) return [];
  return Object.entries(value).flatMap(([key, below]) => {
    const path = [...above, key];
    if (typeof below !== 'object' || below === null || right.includes(path.join('.'))) return [];
    return nearest(key, KEYS) !== undefined || isPlugin(below)
      ? [path]
      : misplaced(below as JsonObject | readonly unknown[], path, right);
  });
}

/** Whether a value looks like a binding. */
export const isPlugin = (value: unknown): boolean =>
  PLUGIN_FIELDS.some((field) => get(value, field) !== undefined);

/** Fields of a binding that nothing else in the CR has. */
const PLUGIN_FIELDS = [
  'sidecarImage',
  'networkAttachmentDefinition',
  'domainAttachmentType',
] as const satisfies readonly (keyof Plugin)[];
