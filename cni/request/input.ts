import { parseJson } from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';

/** Bytes. The largest configurations in the wild, with a prevResult of many routes, have some ten thousand. */
export const MAX_INPUT = 1024 * 1024;
const MAX_DEPTH = 64;
const SUBJECT = 'network configuration';

/**
 * Parses the bytes on stdin.
 *
 * @throws {BindingError} INVALID_JSON, also for what is too large or nested too deep to be looked at
 */
export function parseInput(bytes: Buffer): object {
  if (bytes.length > MAX_INPUT) {
    throw new BindingError('INVALID_JSON', `Cannot read the ${SUBJECT}: more than ${MAX_INPUT} bytes`);
  }
  const text = bytes.toString('utf8');
  if (depthOf(text) > MAX_DEPTH) {
    throw new BindingError(
      'INVALID_JSON',
      `Cannot parse the ${SUBJECT}: nested more than ${MAX_DEPTH} levels deep`,
    );
  }
  const value = parseJson(text, SUBJECT) ?? {}; // null is an empty object, as in Go
  if (typeof value === 'object' && !Array.isArray(value)) return value;
  throw new BindingError('INVALID_JSON', `Cannot parse the ${SUBJECT}: want an object`);
}

/** How deep brackets are nested, those in strings left out. One pass: a pattern could be made to go over hostile text again and again. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (isInString && character === '\\') i++;
    else if (character === '"') isInString = !isInString;
    else if (isInString) continue;
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth--;
  }
  return deepest;
}
