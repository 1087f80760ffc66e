import { BindingError } from './errors.ts';
import { isObject, type JsonObject } from './json.ts';

/**
 * Decodes one JSON value. Throws INVALID_CONFIG with a message that names `path` (such as
 * `$.ipam.type`).
 */
export type Decoder<T> = (value: unknown, path: string) => T;

/** Creates the error for a value that is not valid at `path`. */
export function mismatch(path: string, want: string, got: unknown): BindingError {
  return new BindingError('INVALID_CONFIG', `Cannot read ${path}: want ${want}, got ${show(got)}`);
}

/**
 * Formats a value for a message: one line of at most 80 characters, because hostile input ends up
 * in logs and events.
 */
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

/** Accepts what either decoder accepts; `want` describes both. */
export const either =
  <A, B>(first: Decoder<A>, second: Decoder<B>, want: string): Decoder<A | B> =>
  (value, path) => {
    for (const decode of [first, second]) {
      try {
        return decode(value, path);
      } catch {
        // Try the next decoder. If none accepts the value, the error below names what both accept.
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

/** Accepts any JSON object. */
export const object: Decoder<JsonObject> = (value, path) => {
  if (!isObject(value)) throw mismatch(path, 'an object', value);
  return value;
};

/**
 * Returns `fallback` if the value is absent or null: Go writes null for an empty slice or pointer.
 */
export const optional =
  <T, F>(decode: Decoder<T>, fallback: F): Decoder<T | F> =>
  (value, path) =>
    value === undefined || value === null ? fallback : decode(value, path);

/**
 * Like `optional`, but also treats the zero value as unset: Go writes zero values, and does not
 * distinguish absent, null and zero when it reads. Pass `zero` if it is not "" (some plugins write
 * -1 for an unset index).
 */
export const unset =
  <T, F>(decode: Decoder<T>, fallback: F, zero: '' | 0 | -1 | false = ''): Decoder<T | F> =>
  (value, path) =>
    value === zero ? fallback : optional(decode, fallback)(value, path);

type Shape<T> = { readonly [K in keyof T]: Decoder<T[K]> };

/** Decodes each field of a shape by the key that `nameOf` returns for it. */
function decodeFields<T>(
  shape: Shape<T>,
  source: JsonObject,
  path: string,
  nameOf: (key: string) => string | undefined,
): T {
  const decoded = {} as T;
  for (const key in shape) {
    const name = nameOf(key);
    decoded[key] = shape[key](name === undefined ? undefined : source[name], `${path}.${name ?? key}`);
  }
  return decoded;
}

const exactKey = (source: JsonObject, key: string): string | undefined =>
  Object.hasOwn(source, key) ? key : undefined;

/**
 * Decodes the named fields and ignores all others: CNI SPEC §1 lets container runtimes add keys,
 * and KubeVirt adds fields in every release.
 */
export const fields =
  <T>(shape: Shape<T>): Decoder<T> =>
  (value, path) => {
    const source = object(value, path);
    return decodeFields(shape, source, path, (key) => exactKey(source, key));
  };

/**
 * Like `fields`, but falls back to the first key that differs only in upper and lower case. Go does
 * the same, and configurations rely on it. Looks at each key of the source once.
 */
export function foldedFields<T>(shape: Shape<T>): Decoder<T> {
  const wanted = new Set(Object.keys(shape).map((key) => key.toLowerCase()));
  return (value, path) => {
    const source = object(value, path);
    const folded = new Map<string, string>();
    for (const name of Object.keys(source)) {
      const lower = name.toLowerCase();
      if (wanted.has(lower) && !folded.has(lower)) folded.set(lower, name);
    }
    return decodeFields(shape, source, path, (key) => exactKey(source, key) ?? folded.get(key.toLowerCase()));
  };
}

/**
 * Parses JSON text.
 *
 * @param subject name by which the administrator knows the text (`network configuration`)
 * @throws {BindingError} INVALID_JSON
 */
export function parseJson(text: string, subject: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BindingError('INVALID_JSON', `Cannot parse the ${subject}: ${(cause as Error).message}`, {
      cause,
    });
  }
}
