import type { JsonObject } from '../../shared/json.ts';

/** Prefix of keys that the specification reserves. */
const RESERVED = 'cni.dev/';
/** Number of unknown keys that are reported, and the length of each in UTF-16 units. */
const [MAX_REPORTED, MAX_KEY_LENGTH] = [20, 64];

/**
 * Returns the first keys that a binding does not read, shortened.
 *
 * @param known keys in lower case
 */
export function unknownKeysOf(conf: JsonObject, known: ReadonlySet<string>): readonly string[] {
  const unknown: string[] = [];
  for (const key of Object.keys(conf)) {
    if (unknown.length === MAX_REPORTED) break;
    const folded = key.toLowerCase();
    const isKnown = known.has(folded) || folded.startsWith(RESERVED);
    if (!isKnown && !isZero(conf[key])) unknown.push(key.slice(0, MAX_KEY_LENGTH));
  }
  return unknown;
}

/**
 * Whether a value is empty. An unknown key with an empty value is not reported: Go programs write
 * empty structs, such as `"ipam": {}` and `"dns": {}`.
 */
const isZero = (value: unknown): boolean =>
  typeof value === 'object'
    ? Object.keys(value ?? {}).length === 0
    : value === '' || value === 0 || value === false;
