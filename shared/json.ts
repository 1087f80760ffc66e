/** A JSON object. Read only its own properties, because its keys may be hostile. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Returns the value at a path of keys, reading only own properties; undefined if a value on the
 * path is not an object.
 */
export function get(value: unknown, ...keys: readonly string[]): unknown {
  let current = value;
  for (const key of keys) {
    if (!isObject(current) || !Object.hasOwn(current, key)) return undefined;
    current = current[key];
  }
  return current;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
