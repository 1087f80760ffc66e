/**
 * Represents XML as positions in a text. The text is parsed in order to understand and validate it,
 * and changed by replacing ranges of it; it is never written again as a whole. So comments, CDATA,
 * entities, quotes and white space outside these ranges stay as they are.
 */
import { parseXml as parse, XmlElement, XmlError, XmlNode } from '@rgrove/parse-xml';
import { BindingError } from '../../shared/errors.ts';

/** One element. Positions are UTF-16 indices into the parsed text. */
export interface Element {
  readonly name: string;
  /**
   * The namespace that `xmlns` declares; empty for libvirt's own elements. Prefixes are not
   * resolved: they stay in `name`, whether or not they are declared.
   */
  readonly namespace: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Element[];
  /** Index of `<`. */
  readonly start: number;
  /** Index after the start tag; equals `end` for `<a/>`. */
  readonly contentStart: number;
  /** Index of `</`; equals `end` for `<a/>`. */
  readonly contentEnd: number;
  /** Index after the last `>`. */
  readonly end: number;
}

/**
 * Limits that keep the memory of parse-xml 5.0.0 small, because the container has 64 MB. A domain
 * of virt-launcher has 20 KB, 800 lines and a few hundred elements; one with 1,000 interfaces has
 * 8,000 elements.
 *
 * Items are counted by one character each, such as "=" for attributes. The character may also occur
 * in text, so the counts are upper bounds.
 */
const MAX_SIZE = 1024 * 1024; // bytes
const MAX_DEPTH = 64;
const MAX_NODES = 20_000;
const MAX_ATTRIBUTES = 30_000;
const MAX_REFERENCES = 20_000;
/** parse-xml takes 40 bytes for each line break in an attribute. */
const MAX_LINES = 100_000;
/**
 * Maximum length of a line in UTF-16 units. An error of parse-xml takes 32 bytes for each unit
 * between the last line break and the error.
 */
const MAX_LINE = 256 * 1024;

/** Where a document is rejected, and why. */
class Rejected extends Error {
  readonly position: number;

  constructor(position: number, reason: string) {
    super(reason);
    this.position = position;
  }
}

/**
 * Parses a document strictly: it must be well-formed XML 1.0 in UTF-8, within the limits above, and
 * without a DTD, so it can only use the five predefined entities.
 *
 * @returns the text and its root element
 * @throws {BindingError} INVALID_DOMAIN
 */
export function parseXml(bytes: Uint8Array): { readonly text: string; readonly root: Element } {
  if (bytes.length > MAX_SIZE) throw rejection(`it has ${bytes.length} bytes, more than ${MAX_SIZE}`);
  const text = decodeUtf8(bytes);
  try {
    requireCharacters(text);
    requireLimits(text);
    return { text, root: readDocument(text, prepare(bytes, false)) };
  } catch (error) {
    if (error instanceof RangeError) throw rejection(TOO_DEEP, error); // the parser's stack is exhausted
    if (error instanceof Rejected) {
      throw rejection(`${placeOf(text, error.position)}: ${error.message}`, error);
    }
    if (!(error instanceof XmlError)) throw error;
    const [reason] = error.message.split(` (line ${error.line},`);
    throw rejection(`${placeOf(text, error.pos)}: ${reason}`, error);
  }
}

function rejection(reason: string, cause?: unknown): BindingError {
  return new BindingError('INVALID_DOMAIN', `Cannot read domain XML: ${reason}`, { cause });
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    // Keeps a byte order mark in the text, so that the changed document has it, too.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw rejection('it is not UTF-8', cause);
  }
}

/** Formats a position as `line:column`, both from 1, as editors count. */
function placeOf(text: string, position: number): string {
  let [line, lineStart] = [1, 0];
  for (let at = text.indexOf('\n'); at !== -1 && at < position; at = text.indexOf('\n', lineStart)) {
    line += 1;
    lineStart = at + 1;
  }
  return `${line}:${position - lineStart + 1}`;
}

const TOO_DEEP = `elements are nested more than ${MAX_DEPTH} deep`;

/** Index of the first character not allowed in XML (§2.2), or -1. Expects well-formed UTF-16. */
export const findForbiddenCharacter = (text: string): number => text.search(/[^\t\n\r -\ufffd]/);

function requireCharacters(text: string): void {
  const at = findForbiddenCharacter(text);
  if (at !== -1) throw new Rejected(at, 'a character that is not allowed in XML');
}

function requireLimits(text: string): void {
  requireAtMost(MAX_NODES, 'elements, comments and instructions', text, '<', '/');
  requireAtMost(MAX_ATTRIBUTES, 'attributes', text, '=');
  requireAtMost(MAX_REFERENCES, 'references', text, '&');
  requireAtMost(MAX_LINES, 'line breaks', text, '\n');
  for (let start = 0; text.length - start > MAX_LINE; ) {
    const end = text.lastIndexOf('\n', start + MAX_LINE);
    if (end < start) throw new Rejected(start, `it has a line of more than ${MAX_LINE} characters`);
    start = end + 1;
  }
}

/**
 * Rejects a text in which a character occurs more than `most` times, not counting occurrences
 * directly before the character `except`.
 */
function requireAtMost(most: number, names: string, text: string, character: string, except?: string): void {
  let count = 0;
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) {
    if (text[at + 1] !== except) count += 1;
    if (count > most) throw new Rejected(at, `it has more than ${most} ${names}`);
  }
}

const [TAB, CARRIAGE_RETURN, SPACE, FIRST_BEYOND_16_BITS] = [0x09, 0x0d, 0x20, 0xf0];
/**
 * Replacements for characters beyond 16 bits: the first for those that names can contain (§2.3, up
 * to U+EFFFF), the second for all others. Each has as many bytes (4) and UTF-16 units (2) as the
 * original.
 */
const [NAME_STAND_IN, OTHER_STAND_IN] = [Buffer.from('ÀÀ'), Buffer.from('¤¤')];
const FIRST_OUTSIDE_NAMES = 0xf3b0; // the first two bytes of U+F0000

/**
 * Decodes UTF-8 and replaces the characters for which parse-xml takes too much memory or time: tabs
 * (some 40 bytes for each in an attribute), carriage returns (quadratic time in text), and
 * characters beyond 16 bits (8 bytes for each character of the document). Indices stay the same.
 *
 * @param keepsWide whether characters beyond 16 bits stay
 */
function prepare(bytes: Uint8Array, keepsWide: boolean): string {
  const copy = Buffer.from(bytes);
  for (let at = 0; at < copy.length; at += 1) {
    const byte = copy[at] ?? 0;
    if (byte === TAB || byte === CARRIAGE_RETURN) copy[at] = SPACE;
    else if (byte >= FIRST_BEYOND_16_BITS && !keepsWide) {
      copy.set(copy.readUInt16BE(at) < FIRST_OUTSIDE_NAMES ? NAME_STAND_IN : OTHER_STAND_IN, at);
    }
  }
  return copy.toString();
}

function readDocument(text: string, input: string): Element {
  const { root, children } = parse(input, {
    includeOffsets: true,
    preserveComments: true, // contentStart may be that of a comment
    preserveDocumentType: true,
    preserveXmlDeclaration: true,
  });
  for (const { start, end, type } of children) {
    if (type === XmlNode.TYPE_DOCUMENT_TYPE) {
      throw new Rejected(start, 'a document type declaration is not accepted');
    }
    if (type === XmlNode.TYPE_XML_DECLARATION) requireDeclaration(start, text.slice(start, end));
  }
  return readElement(text, root as XmlElement, '', 1); // without a root element, the parser throws
}

/**
 * Matches an XML declaration (§2.8). Stricter than the parser, which also accepts `encoding` and
 * `standalone` without a value or without white space before them.
 */
const DECLARATION =
  /^<\?xml\s+version\s*=\s*(["'])([\w.:-]*)\1(?:\s+encoding\s*=\s*(["'])([\w.-]+)\3)?(?:\s+standalone\s*=\s*(["'])(?:yes|no)\5)?\s*\?>$/;

/** Maximum length of an XML declaration in characters. */
const MAX_DECLARATION = 1000;
/**
 * Names of UTF-8, and of its subset ASCII, which Python's libraries declare (lxml "ASCII",
 * ElementTree "us-ascii").
 */
const ENCODINGS = ['UTF-8', 'UTF8', 'US-ASCII', 'ASCII'];

function requireDeclaration(start: number, declaration: string): void {
  const match = DECLARATION.exec(declaration.slice(0, MAX_DECLARATION));
  if (match === null) throw new Rejected(start, 'a malformed XML declaration');
  const [, , version, , encoding = 'UTF-8'] = match;
  if (version !== '1.0') throw new Rejected(start, `want XML version 1.0, got ${version}`);
  if (!ENCODINGS.includes(encoding.toUpperCase())) {
    throw new Rejected(start, `want encoding UTF-8, got ${encoding}`);
  }
}

function readElement(text: string, node: XmlElement, outer: string, depth: number): Element {
  const { start, end } = node;
  if (depth > MAX_DEPTH) throw new Rejected(start, TOO_DEEP);
  const contentEnd = text.startsWith('/>', end - 2) ? end : text.lastIndexOf('</', end - 1);
  const name = text.slice(start + 1, start + 1 + node.name.length);
  // parse-xml compared the names of the tags after `prepare` had replaced characters in them.
  if (contentEnd < end && !text.startsWith(name, contentEnd + 2)) {
    throw new Rejected(contentEnd, `Missing end tag for element ${name}`);
  }
  const contentStart = node.children[0]?.start ?? contentEnd;
  const namespace = node.attributes['xmlns'] ?? outer;
  return {
    name,
    namespace,
    get attributes() {
      return attributesOf(name, node, text.slice(start, contentStart));
    },
    children: node.children
      .filter((child) => child instanceof XmlElement)
      .map((child) => readElement(text, child, namespace, depth + 1)),
    start,
    contentStart,
    contentEnd,
    end,
  };
}

/**
 * Returns the attributes of an element. Parses its start tag again if the tag has characters that
 * `prepare` replaced (beyond 16 bits), or CRLF, which is one space in a value (§2.11, §3.3.3).
 */
function attributesOf(name: string, { attributes }: XmlElement, tag: string): Element['attributes'] {
  if (!/\r\n|[\ud800-\udbff]/.test(tag)) return attributes;
  const input = prepare(Buffer.from(tag.replaceAll('\r\n', ' ')), true);
  return parse(input.endsWith('/>') ? input : `${input}</${name}>`).root?.attributes ?? attributes;
}

/** Returns the child elements with that name that are libvirt's own, which have no namespace. */
export function childrenNamed(parent: Element, name: string): Element[] {
  return parent.children.filter((child) => child.name === name && child.namespace === '');
}
