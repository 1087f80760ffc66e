/** Values by the code of their option, in the order of the message. */
export type Options = ReadonlyMap<number, Buffer>;

const PAD = 0;
const END = 255;
const MAX_PART = 255;

/**
 * Decodes the options of a message. Those with the same code are parts of one value. Null if the
 * end is missing, or an option reaches beyond it.
 *
 * Source: RFC 2132 §2, RFC 3396 §7
 */
export function decodeOptions(field: Buffer): Options | null {
  const parts = new Map<number, Buffer[]>();
  let at = 0;
  while (field[at] !== END) {
    if (field[at] === PAD) {
      at += 1;
      continue;
    }
    const [code, length] = field.subarray(at, at + 2);
    // Also reached if a value was too short: then no byte is left for the end.
    if (code === undefined || length === undefined) return null;
    const value = field.subarray(at + 2, at + 2 + length);
    const known = parts.get(code);
    if (known === undefined) parts.set(code, [value]);
    else known.push(value);
    at += 2 + length;
  }
  return new Map([...parts].map(([code, values]) => [code, Buffer.concat(values)]));
}

/** Encodes options, and splits a value that is too long for one. Source: RFC 3396 §5 */
export const encodeOptions = (options: Options): Buffer =>
  Buffer.concat([
    ...[...options].flatMap(([code, value]) =>
      partsOf(value).flatMap((part) => [Buffer.from([code, part.length]), part]),
    ),
    Buffer.from([END]),
  ]);

const partsOf = (value: Buffer): readonly Buffer[] =>
  Array.from({ length: Math.max(1, Math.ceil(value.length / MAX_PART)) }, (_, i) =>
    value.subarray(i * MAX_PART, (i + 1) * MAX_PART),
  );

/** Bytes of all options and the end. */
const encodedLength = (options: Options): number =>
  [...options.values()].reduce((sum, value) => sum + lengthOf(value), 1);

const lengthOf = (value: Buffer): number => value.length + 2 * partsOf(value).length;

/**
 * Adds options while they fit. One that does not fit is left out as a whole, because a part of it
 * may mean something else; a later one may still fit.
 *
 * @param space for all options and the end, in bytes
 * @param codes the most important first; those without a value, or already present, do not count
 */
export function addOptions(
  present: Options,
  values: Options,
  codes: readonly number[],
  space: number,
): Options {
  const all = new Map(present);
  let free = space - encodedLength(present);
  for (const code of codes) {
    const value = values.get(code);
    if (value === undefined || all.has(code) || lengthOf(value) > free) continue;
    all.set(code, value);
    free -= lengthOf(value);
  }
  return all;
}
