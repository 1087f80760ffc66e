import { get, type JsonObject } from '../../shared/json.ts';
import type { Plugin } from '../kubevirt-versions.ts';
import { nearest } from './almost.ts';
import { type Finding, failure } from './finding.ts';
import { REGISTRY_FIELDS } from './registries.ts';
import type { Resource } from './resource.ts';

/** Keys of the maps of bindings in all kinds of CR. */
const KEYS = ['binding', 'networkBinding'];
/** Search depth. The right fields are less deep. */
const MAX_DEPTH = 8;

/**
 * Finds bindings in a CR at a place where they register nothing, because a key is misspelt or
 * wrongly indented. The API server silently drops unknown fields.
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

/** Paths of objects that look like a binding, or like a map of bindings, at a wrong place. */
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

/** Fields that only bindings have in a CR. */
const PLUGIN_FIELDS = [
  'sidecarImage',
  'networkAttachmentDefinition',
  'domainAttachmentType',
] as const satisfies readonly (keyof Plugin)[];
