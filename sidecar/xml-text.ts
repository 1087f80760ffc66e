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

/** Replaces references by what they stand for; undefined when one of them stands for nothing. */
export function resolveReferences(text: string): string | undefined {
  let at = text.indexOf('&');
  if (at === -1) return text;
  // Not `replace` with a function, which keeps all matches at once: 40 MiB of them in a megabyte of references.
  const parts = [text.slice(0, at)];
  while (at !== -1) {
    REFERENCE.lastIndex = at;
    const [whole = '', decimal, hex, name] = REFERENCE.exec(text) ?? [];
    const character =
      name === undefined ? characterOf(decimal === undefined ? `0x${hex}` : decimal) : ENTITIES.get(name);
    if (character === undefined) return undefined;
    const next = text.indexOf('&', at + whole.length);
    parts.push(character);
    if (next !== at + whole.length) parts.push(text.slice(at + whole.length, next === -1 ? undefined : next));
    at = next;
  }
  return parts.join('');
}

/** Of digits as JavaScript reads them. */
function characterOf(digits: string): string | undefined {
  const codePoint = Number(digits);
  if (!(codePoint <= 0x10ffff)) return undefined; // nor NaN
  const character = String.fromCodePoint(codePoint);
  return character.isWellFormed() && !NO_CHARACTER.test(character) ? character : undefined;
}
