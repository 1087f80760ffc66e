import { type Decoder, fields, mismatch, object } from '../../shared/decode.ts';

/**
 * Decodes fields and rejects unknown ones: a typo in a policy must not allow what it should deny.
 */
export const strictFields =
  <T>(shape: { readonly [K in keyof T]: Decoder<T[K]> }): Decoder<T> =>
  (value, path) => {
    const stray = Object.keys(object(value, path)).find((key) => !Object.hasOwn(shape, key));
    if (stray !== undefined) throw mismatch(path, `only the keys ${Object.keys(shape).join(', ')}`, stray);
    return fields(shape)(value, path);
  };
