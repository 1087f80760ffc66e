/** Characters, names and references of XML 1.0 (5th edition). Every check takes time in proportion to its input, and next to no memory. */

/** §2.2: what is no Char of a text that was UTF-8, where surrogates come in pairs. */
const NO_CHARACTER = /[^\t\n\r -\ufffd]/;

/** Of the first character that XML does not have, or -1. */
export const findNoCharacter = (text: string): number => text.search(NO_CHARACTER);

/** §2.3 NameStartChar, and what else NameChar has. */
const NAME_START =
  ':A-Z_a-z\\u{C0}-\\u{D6}\\u{D8}-\\u{F6}\\u{F8}-\\u{2FF}\\u{370}-\\u{37D}\\u{37F}-\\u{1FFF}\\u{200C}\\u{200D}' +
  '\\u{2070}-\\u{218F}\\u{2C00}-\\u{2FEF}\\u{3001}-\\u{D7FF}\\u{F900}-\\u{FDCF}\\u{FDF0}-\\u{FFFD}\\u{10000}-\\u{EFFFF}';
const NAME_REST = '\\-.0-9\\u{B7}\\u{300}-\\u{36F}\\u{203F}\\u{2040}';
const NAME = new RegExp(`^[${NAME_START}][${NAME_START}${NAME_REST}]*$`, 'u');
/** Of each ASCII character: whether it is in names (1), and begins them (2). */
const ASCII = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[:A-Z_a-z]/.test(character) ? 2 : /[-.\d]/.test(character) ? 1 : 0;
});
/** Characters. libvirt's and QEMU's names have a few dozen. */
const MAX_NAME = 1000;

/** §2.3 Name at that position, or undefined. Most of a document's names go through here, so their characters are looked up. */
export function nameAt(text: string, position: number): string | undefined {
  let end = position;
  let isAscii = true;
  for (let code = text.charCodeAt(end); code >= 128 || ASCII[code]; code = text.charCodeAt(end)) {
    if (code >= 128) isAscii = false;
    end += 1;
  }
  if (end - position > MAX_NAME) return undefined;
  const name = text.slice(position, end);
  const isName = isAscii ? ASCII[name.charCodeAt(0)] === 2 : NAME.test(name);
  return isName ? name : undefined;
}

/** §4.6; a document without DTD has no others. */
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['apos', "'"],
  ['quot', '"'],
]);
const REFERENCE = /&(?:#(\d+)|#x([\dA-Fa-f]+)|(\w+));/y;

/** What a reference stands for, and where it ends. */
interface Reference {
  readonly character: string;
  readonly end: number;
}

/** The reference whose `&` is at that position; undefined if it is malformed or stands for nothing. */
function referenceAt(text: string, position: number): Reference | undefined {
  REFERENCE.lastIndex = position;
  const [whole = '', decimal, hex, name] = REFERENCE.exec(text) ?? [];
  const character =
    name === undefined ? characterOf(decimal === undefined ? `0x${hex}` : decimal) : ENTITIES.get(name);
  return character === undefined ? undefined : { character, end: position + whole.length };
}

/** Whether every reference in character data stands for something. */
export function hasValidReferences(text: string): boolean {
  for (let at = text.indexOf('&'); at !== -1; ) {
    const reference = referenceAt(text, at);
    if (reference === undefined) return false;
    at = text.indexOf('&', reference.end);
  }
  return true;
}

const [AMPERSAND, SPACE, LINE_FEED, CARRIAGE_RETURN] = [0x26, 0x20, 0x0a, 0x0d];

/**
 * The value of an attribute that no DTD declares: references resolved, each white space a space (§3.3.3, §2.11). Undefined if a
 * reference stands for nothing.
 *
 * Written unit by unit into one buffer. `replace` and `join` keep every match or part at once, 40 MiB for a megabyte of tabs.
 */
export function normalizeValue(raw: string): string | undefined {
  if (!/[&\t\n\r]/.test(raw)) return raw;
  const units = new Uint16Array(raw.length); // no reference is shorter than what it stands for
  let length = 0;
  for (let at = 0; at < raw.length; ) {
    const unit = raw.charCodeAt(at);
    if (unit === AMPERSAND) {
      const reference = referenceAt(raw, at);
      if (reference === undefined) return undefined;
      for (let index = 0; index < reference.character.length; index += 1) {
        units[length++] = reference.character.charCodeAt(index);
      }
      at = reference.end;
      continue;
    }
    units[length++] = Math.max(unit, SPACE);
    at += unit === CARRIAGE_RETURN && raw.charCodeAt(at + 1) === LINE_FEED ? 2 : 1;
  }
  return Buffer.from(units.buffer, 0, 2 * length).toString('utf16le');
}

/** Of digits as JavaScript reads them. */
function characterOf(digits: string): string | undefined {
  const codePoint = Number(digits);
  if (!(codePoint <= 0x10ffff)) return undefined; // nor NaN
  const character = String.fromCodePoint(codePoint);
  return character.isWellFormed() && !NO_CHARACTER.test(character) ? character : undefined;
}
