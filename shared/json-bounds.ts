import { BindingError, type ErrorCode } from './errors.ts';

/** Bytes. A VMI has some 20 KB; what carries it has at most 1.5 MiB, as etcd has. */
const MAX_SIZE = 1024 * 1024;
const MAX_DEPTH = 64;
/** Twice as many as 1,000 interfaces with their networks and status have. */
const MAX_VALUES = 20_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Refuses JSON that would take more memory than the sidecar has, before it is parsed. Says nothing of what is in it: that may be
 * cloud-init data. One pass over the bytes; whether they are JSON at all is for `JSON.parse` to say.
 *
 * @param subject what the admin knows it as (`the VMI`)
 * @throws {BindingError} `code`
 */
export function requireBounded(json: Uint8Array, subject: string, code: ErrorCode): void {
  const refused = (reason: string) => new BindingError(code, `Cannot read ${subject}: ${reason}`);
  if (json.length > MAX_SIZE) throw refused(`it has ${json.length} bytes, more than ${MAX_SIZE}`);
  let depth = 0;
  let values = 1;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === QUOTE) {
      at = endOfString(json, at);
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1; // { [
      values += 1;
      if (depth > MAX_DEPTH) throw refused(`it is nested more than ${MAX_DEPTH} deep`);
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1; // } ]
    } else if (byte === 0x2c) {
      values += 1; // ,
    }
    if (values > MAX_VALUES) throw refused(`it has more than ${MAX_VALUES} values`);
  }
}

/** Of the closing quote, or behind the end. */
function endOfString(json: Uint8Array, start: number): number {
  for (let at = json.indexOf(QUOTE, start + 1); at !== -1; at = json.indexOf(QUOTE, at + 1)) {
    let escapes = 0;
    while (json[at - 1 - escapes] === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return json.length;
}
