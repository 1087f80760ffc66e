import { BindingError } from './errors.ts';
import { isObject, type JsonObject } from './json.ts';

/** Reads one JSON value, or throws INVALID_CONFIG that names `path` (such as `$.ipam.type`). */
export type Decoder<T> = (value: unknown, path: string) => T;

/** The error of a value that is not what it should be. */
export function mismatch(path: string, want: string, got: unknown): BindingError {
  return new BindingError('INVALID_CONFIG', `Cannot read ${path}: want ${want}, got ${show(got)}`);
}

/** Hostile input ends up in logs and events: one line, bounded. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

export const string: Decoder<string> = (value, path) => {
  if (typeof value !== 'string') throw mismatch(path, 'a string', value);
  return value;
};

export const boolean: Decoder<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw mismatch(path, 'true or false', value);
  return value;
};

export const integer =
  (min: number, max: number): Decoder<number> =>
  (value, path) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw mismatch(path, `an integer in ${min}..${max}`, value);
    }
    return value;
  };

export const oneOf =
  <const T extends string>(...choices: readonly T[]): Decoder<T> =>
  (value, path) => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw mismatch(path, choices.map((c) => JSON.stringify(c)).join(' or '), value);
    return choice;
  };

/** Either of two; `want` names both. */
export const either =
  <A, B>(first: Decoder<A>, second: Decoder<B>, want: string): Decoder<A | B> =>
  (value, path) => {
    for (const decode of [first, second]) {
      try {
        return decode(value, path);
      } catch {
        // The next one, or the error below that names what both accept.
      }
    }
    throw mismatch(path, want, value);
  };

export const array =
  <T>(item: Decoder<T>): Decoder<readonly T[]> =>
  (value, path) => {
    if (!Array.isArray(value)) throw mismatch(path, 'an array', value);
    return value.map((element, index) => item(element, `${path}[${index}]`));
  };

/** A JSON object. */
export const object: Decoder<JsonObject> = (value, path) => {
  if (!isObject(value)) throw mismatch(path, 'an object', value);
  return value;
};

/** `fallback` where the value is absent or null: Go writes null for an empty slice or pointer. */
export const optional =
  <T, F>(decode: Decoder<T>, fallback: F): Decoder<T | F> =>
  (value, path) =>
    value === undefined || value === null ? fallback : decode(value, path);

/**
 * As `optional`, for a value whose zero value means that it is not set: Go writes that too, and reads absent, null and zero as
 * one. Name the zero value if it is not "" (some plugins write -1 as an index of nothing).
 */
export const unset =
  <T, F>(decode: Decoder<T>, fallback: F, zero: '' | 0 | -1 | false = ''): Decoder<T | F> =>
  (value, path) =>
    value === zero ? fallback : optional(decode, fallback)(value, path);

type FindKey = (source: JsonObject, key: string) => string | undefined;

const exactKey: FindKey = (source, key) => (Object.hasOwn(source, key) ? key : undefined);

const foldedKey: FindKey = (source, key) =>
  exactKey(source, key) ?? Object.keys(source).find((name) => name.toLowerCase() === key.toLowerCase());

const fieldsBy =
  (find: FindKey) =>
  <T>(shape: { readonly [K in keyof T]: Decoder<T[K]> }): Decoder<T> =>
  (value, path) => {
    const source = object(value, path);
    const decoded = {} as T;
    for (const key in shape) {
      const name = find(source, key);
      decoded[key] = shape[key](name === undefined ? undefined : source[name], `${path}.${name ?? key}`);
    }
    return decoded;
  };

/** Decodes the named fields and ignores the rest: CNI SPEC §1 lets runtimes add keys, KubeVirt adds fields every release. */
export const fields = fieldsBy(exactKey);

/** As `fields`, but a key that is not there may be there in other letters: so does Go, and configurations rely on it. */
export const foldedFields = fieldsBy(foldedKey);

/** Parses JSON text; `subject` is what the admin knows it as (`network configuration`). */
export function parseJson(text: string, subject: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BindingError('INVALID_JSON', `Cannot parse the ${subject}: ${(cause as Error).message}`, {
      cause,
    });
  }
}
