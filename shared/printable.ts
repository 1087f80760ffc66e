/**
 * Makes text of others safe to print: link names, contents of files, output of programs.
 *
 * Unsafe are control and format characters, which command a terminal or reverse its direction, line
 * and paragraph separators, and what XML does not have: lone surrogates and noncharacters (U+FFFE).
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/gu;

/**
 * Escapes all characters that are unsafe in a terminal, in a line or in XML. The result has no
 * unsafe character, so that escaping it again changes nothing.
 */
export const printable = (text: string): string => text.replace(UNSAFE, escaped);

/** Escapes each line of a text. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

/**
 * Formats a value as indented JSON that is safe to print, and ends in a line break. JSON itself
 * leaves DEL, C1 and format characters as they are. Programs read the same value.
 */
export const printableJson = (value: unknown): string =>
  `${printableLines(JSON.stringify(value, null, 2))}\n`;

/**
 * Escapes each UTF-16 unit, as JSON does: U+E0001 becomes `\udb40\udc01`. A surrogate that stands
 * for a byte that is not UTF-8 (netlink/text.ts) becomes that byte, `\xff`.
 */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  const [unit = 0] = units;
  if (unit >= 0xdc80 && unit <= 0xdcff) return `\\x${(unit & 0xff).toString(16)}`;
  return units.map((one) => `\\u${one.toString(16).padStart(4, '0')}`).join('');
}
