import { BindingError, type ErrorCode } from './errors.ts';

/**
 * Maximum size in bytes. The largest network configurations in use, which have a prevResult with
 * many routes, have about 10 KB. A VMI has about 20 KB, and etcd stores at most 1.5 MiB.
 */
export const MAX_JSON_SIZE = 1024 * 1024;
export const MAX_JSON_DEPTH = 64;
/** Maximum number of values: twice what 1,000 interfaces need with their networks and status. */
const MAX_VALUES = 20_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Finds the first limit that JSON exceeds, without parsing it: its size, its nesting depth, or an
 * upper bound of its number of values. Returns null if it exceeds none. Does not check whether the
 * bytes are valid JSON.
 *
 * Makes one pass over the bytes. Hostile text could make a regular expression scan it again and
 * again.
 */
export function findExcess(json: Uint8Array, maxValues: number): 'size' | 'depth' | 'values' | null {
  if (json.length > MAX_JSON_SIZE) return 'size';
  let depth = 0;
  let values = 1;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === QUOTE) {
      at = endOfString(json, at);
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1; // { [
      values += 1;
      if (depth > MAX_JSON_DEPTH) return 'depth';
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1; // } ]
    } else if (byte === 0x2c) {
      values += 1; // ,
    }
    if (values > maxValues) return 'values';
  }
  return null;
}

/** Returns the index of the closing quote, or the length if there is none. */
function endOfString(json: Uint8Array, start: number): number {
  for (let at = json.indexOf(QUOTE, start + 1); at !== -1; at = json.indexOf(QUOTE, at + 1)) {
    let escapes = 0;
    while (json[at - 1 - escapes] === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return json.length;
}

/**
 * Rejects JSON that would need more memory than the sidecar has, without parsing it. The message
 * does not quote the JSON, which may be cloud-init data.
 *
 * @param subject name by which the administrator knows the JSON (`the VMI`)
 * @throws {BindingError} `code`
 */
export function requireBounded(json: Uint8Array, subject: string, code: ErrorCode): void {
  const excess = findExcess(json, MAX_VALUES);
  if (excess === null) return;
  const reasons = {
    size: `it has ${json.length} bytes, more than ${MAX_JSON_SIZE}`,
    depth: `it is nested more than ${MAX_JSON_DEPTH} deep`,
    values: `it has more than ${MAX_VALUES} values`,
  };
  throw new BindingError(code, `Cannot read ${subject}: ${reasons[excess]}`);
}
