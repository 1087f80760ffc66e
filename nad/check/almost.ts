/** Texts that are longer than any name are not compared: the work is the square of their length. */
const MAX_LENGTH = 253;

/**
 * Whether two texts differ by at most one letter (added, missing, changed or moved), ignoring case.
 */
export function isAlmost(one: string, other: string): boolean {
  if (Math.abs(one.length - other.length) > 1 || one.length > MAX_LENGTH) return false;
  const wanted = new Set(withoutOne(other.toLowerCase()));
  return withoutOne(one.toLowerCase()).some((text) => wanted.has(text));
}

/** The text, and each text that lacks one of its letters. */
export const withoutOne = (text: string): readonly string[] => [
  text,
  ...Array.from(text, (_, i) => text.slice(0, i) + text.slice(i + 1)),
];

/** The known name that an unknown name most likely stands for. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = normalize(name);
  return (
    known.find((one) => normalize(one) === plain) ?? known.find((one) => isAlmost(plain, normalize(one)))
  );
}

/** Removes differences that people often make: case, separators, blanks, a plural. */
export const normalize = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replace(/s$/, '');
