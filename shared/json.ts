/** A JSON object. Read it by own properties only, because others choose its keys. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The value at a path of keys, by own properties only; undefined if a value on the way is not an object. */
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
