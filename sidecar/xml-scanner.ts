/** The tags of an XML document, in order; what lies between them is checked and passed over. */
import { findNoCharacter, hasValidReferences, nameAt, normalizeValue } from './xml-text.ts';

/** Positions are UTF-16 indices into the text. */
export interface Tag {
  /** `<a>`, `</a>`, `<a/>` */
  readonly kind: 'start' | 'end' | 'empty';
  readonly name: string;
  /** References resolved, white space as §3.3.3 wants it. Of an end tag, none. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Of `<`. */
  readonly start: number;
  /** After `>`. */
  readonly end: number;
}

/** Where a document is not XML, and why. */
export class Malformed extends Error {
  readonly position: number;

  constructor(position: number, reason: string) {
    super(reason);
    this.position = position;
  }
}

const MAX_ATTRIBUTES = 128;
/** Of all attributes together, different ones: V8 keeps something for each, and virt-launcher's domains have some hundred. */
const MAX_ATTRIBUTE_NAMES = 1000;

/** The prototype of attributes: `__proto__` is a name like others. An object without any prototype would take three times the memory. */
const NONE: Tag['attributes'] = Object.freeze(Object.create(null));

/**
 * Yields the tags of a document of XML 1.0 in UTF-8 without DTD. That end tags fit their start tags is left to the caller.
 *
 * @throws {Malformed}
 * Source: XML 1.0, 5th edition
 */
export function* scanTags(text: string): Generator<Tag> {
  const foreign = findNoCharacter(text);
  if (foreign !== -1) throw new Malformed(foreign, 'a character that XML does not have');
  let at = readDeclaration(text);
  const names = new Set<string>();
  let depth = 0;
  let roots = 0;
  while (at < text.length) {
    const open = text.indexOf('<', at);
    checkText(text, at, open === -1 ? text.length : open, depth > 0);
    if (open === -1) break;
    if (text[open + 1] === '!' || text[open + 1] === '?') {
      at = skipMarkup(text, open, depth > 0);
      continue;
    }
    const tag = readTag(text, open, names);
    if (depth === 0 && tag.kind !== 'end') roots += 1;
    if (roots > 1) throw new Malformed(open, 'a second root element');
    if (tag.kind === 'start') depth += 1;
    if (tag.kind === 'end') depth -= 1;
    yield tag;
    at = tag.end;
  }
  if (depth > 0) throw new Malformed(text.length, 'an element that is not closed');
  if (roots === 0) throw new Malformed(text.length, 'no root element');
}

const DECLARATION =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"([\w.:-]*)"|'([\w.:-]*)')(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"([\w.-]*)"|'([\w.-]*)'))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>/;

/** Names of UTF-8, and of its part that Python's libraries declare (lxml "ASCII", ElementTree "us-ascii"). */
const ENCODINGS = ['UTF-8', 'UTF8', 'US-ASCII', 'ASCII'];

/** §2.8 XMLDecl; answers where the rest begins. Behind a byte order mark, which is no character of the document. */
function readDeclaration(text: string): number {
  const start = text.startsWith('\ufeff') ? 1 : 0;
  if (!/^<\?xml[ \t\r\n?]/.test(text.slice(start, start + 6))) return start;
  const match = DECLARATION.exec(text.slice(start, start + 1000));
  if (match === null) throw new Malformed(start, 'a malformed XML declaration');
  const version = match[1] ?? match[2];
  if (version !== '1.0') throw new Malformed(start, `want XML version 1.0, got ${version}`);
  const encoding = match[3] ?? match[4] ?? 'UTF-8';
  if (!ENCODINGS.includes(encoding.toUpperCase())) {
    throw new Malformed(start, `want encoding UTF-8, got ${encoding}`);
  }
  return start + match[0].length;
}

/** §2.4 character data; outside the root element, white space. */
function checkText(text: string, start: number, end: number, isInside: boolean): void {
  const data = text.slice(start, end);
  if (!isInside) {
    if (/[^ \t\r\n]/.test(data)) throw new Malformed(start, 'text outside of the root element');
    return;
  }
  if (data.includes(']]>')) throw new Malformed(start, '"]]>" in text');
  if (!hasValidReferences(data)) throw new Malformed(start, 'a malformed or undefined reference in text');
}

/** Comment, CDATA section, processing instruction; answers where it ends. */
function skipMarkup(text: string, start: number, isInside: boolean): number {
  if (text.startsWith('<!--', start)) {
    const dashes = text.indexOf('--', start + 4);
    if (dashes === -1) throw new Malformed(start, 'a comment that is not closed');
    if (text[dashes + 2] !== '>') throw new Malformed(dashes, '"--" in a comment');
    return dashes + 3;
  }
  if (text.startsWith('<![CDATA[', start)) {
    if (!isInside) throw new Malformed(start, 'text outside of the root element');
    const close = text.indexOf(']]>', start);
    if (close === -1) throw new Malformed(start, 'a CDATA section that is not closed');
    return close + 3;
  }
  if (text.startsWith('<!DOCTYPE', start)) {
    throw new Malformed(start, 'a document type declaration is not accepted');
  }
  const name = text[start + 1] === '?' ? nameAt(text, start + 2) : undefined;
  const close = name === undefined ? -1 : text.indexOf('?>', start + 2);
  const behind = start + 2 + (name?.length ?? 0);
  if (
    close === -1 ||
    name?.toLowerCase() === 'xml' ||
    (close !== behind && skipSpace(text, behind) === behind)
  ) {
    throw new Malformed(start, 'a malformed processing instruction or declaration');
  }
  return close + 2;
}

/** §2.3 S; answers where it ends. */
function skipSpace(text: string, position: number): number {
  let at = position;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at += 1;
  return at;
}

/** §3.1 STag, ETag, EmptyElemTag. */
function readTag(text: string, start: number, names: Set<string>): Tag {
  const isEnd = text[start + 1] === '/';
  const nameStart = start + (isEnd ? 2 : 1);
  const name = nameAt(text, nameStart);
  if (name === undefined) throw new Malformed(start, 'a malformed tag');
  const { attributes, at } = isEnd
    ? { attributes: NONE, at: nameStart + name.length }
    : readAttributes(text, nameStart + name.length, names);
  const close = skipSpace(text, at);
  if (text[close] === '>') return { kind: isEnd ? 'end' : 'start', name, attributes, start, end: close + 1 };
  if (!isEnd && text.startsWith('/>', close))
    return { kind: 'empty', name, attributes, start, end: close + 2 };
  throw new Malformed(close, `a malformed tag "${name}"`);
}

function readAttributes(
  text: string,
  start: number,
  names: Set<string>,
): { readonly attributes: Tag['attributes']; readonly at: number } {
  const attributes: Record<string, string> = Object.create(NONE);
  let at = start;
  for (let count = 0; ; count += 1) {
    const nameStart = skipSpace(text, at);
    const name = nameStart === at ? undefined : nameAt(text, nameStart);
    if (name === undefined) return { attributes, at };
    if (count === MAX_ATTRIBUTES)
      throw new Malformed(at, `an element has more than ${MAX_ATTRIBUTES} attributes`);
    if (name in attributes) throw new Malformed(nameStart, `attribute "${name}" twice`);
    const equals = skipSpace(text, nameStart + name.length);
    const open = skipSpace(text, equals + 1);
    const quote = text[open];
    if (text[equals] !== '=' || (quote !== '"' && quote !== "'")) {
      throw new Malformed(nameStart, `attribute "${name}" without a value in quotes`);
    }
    const close = text.indexOf(quote, open + 1);
    const value = close === -1 ? undefined : attributeValue(text.slice(open + 1, close));
    if (value === undefined) throw new Malformed(nameStart, `a malformed value of attribute "${name}"`);
    attributes[name] = value;
    names.add(name);
    if (names.size > MAX_ATTRIBUTE_NAMES) {
      throw new Malformed(nameStart, `attributes have more than ${MAX_ATTRIBUTE_NAMES} different names`);
    }
    at = close + 1;
  }
}

/** §3.3.3 of an attribute that no DTD declares; undefined when it is malformed. */
function attributeValue(raw: string): string | undefined {
  return raw.includes('<') ? undefined : normalizeValue(raw);
}
