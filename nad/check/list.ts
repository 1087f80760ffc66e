/** Most names that a message lists. */
const MAX_NAMES = 20;

/** Quotes and joins names for a message, at most 20 of them. Empty without names. */
export function listOf(names: readonly string[]): string {
  const listed = names.slice(0, MAX_NAMES).map((name) => `"${name}"`);
  const rest = names.length > MAX_NAMES ? [`and ${names.length - MAX_NAMES} more`] : [];
  return [...listed, ...rest].join(', ');
}
