import { parseJson } from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';
import { isObject } from '../../shared/json.ts';
import { findExcess, MAX_JSON_DEPTH, MAX_JSON_SIZE } from '../../shared/json-bounds.ts';

/** Bytes of a network configuration. */
export const MAX_INPUT = MAX_JSON_SIZE;
const SUBJECT = 'network configuration';

/**
 * Parses the bytes on stdin.
 *
 * @throws {BindingError} INVALID_JSON, also for input that is too large or nested too deep
 */
export function parseInput(bytes: Buffer): object {
  const excess = findExcess(bytes, Number.POSITIVE_INFINITY);
  if (excess === 'size') throw rejected(`Cannot read the ${SUBJECT}: more than ${MAX_INPUT} bytes`);
  if (excess === 'depth') {
    throw rejected(`Cannot parse the ${SUBJECT}: nested more than ${MAX_JSON_DEPTH} levels deep`);
  }
  const value = parseJson(bytes.toString('utf8'), SUBJECT) ?? {}; // null is an empty object, as in Go
  if (isObject(value)) return value;
  throw rejected(`Cannot parse the ${SUBJECT}: want an object`);
}

const rejected = (message: string): BindingError => new BindingError('INVALID_JSON', message);
