/**
 * XML as positions in a text: parsed to be understood and validated, changed by replacing ranges, never written out anew. Comments,
 * CDATA, entities, quotes and white space that nobody touches stay as they are.
 */
import { SaxesParser } from 'saxes';
import { BindingError, messageOf } from '../shared/errors.ts';

/** One element. Positions are UTF-16 indices into the parsed text. */
export interface Element {
  readonly name: string;
  /** Its namespace by `xmlns` alone; empty for libvirt's own elements. Prefixes stay in `name`, bound or not. */
  readonly namespace: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Empty below KEPT_DEPTH. */
  readonly children: readonly Element[];
  /** Of `<`. */
  readonly start: number;
  /** After the start tag; `end` for `<a/>`. */
  readonly contentStart: number;
  /** Of `</`; `end` for `<a/>`. */
  readonly contentEnd: number;
  /** After the last `>`. */
  readonly end: number;
}

/** Bytes. virt-launcher's domains have some 20 KB. */
const MAX_SIZE = 1024 * 1024;
const MAX_DEPTH = 64;
const MAX_ELEMENTS = 50_000;
const MAX_ATTRIBUTES = 128;
/** domain, devices, interface, driver, host: what lies deeper is validated, not kept. */
const KEPT_DEPTH = 5;

/**
 * Parses a document strictly: well-formed XML 1.0 in UTF-8, no DTD (so no entities but the five), within the bounds above.
 *
 * @returns the text and its root element
 * @throws {BindingError} INVALID_DOMAIN
 */
export function parseXml(bytes: Uint8Array): { readonly text: string; readonly root: Element } {
  if (bytes.length > MAX_SIZE) throw refused(`it has ${bytes.length} bytes, more than ${MAX_SIZE}`);
  const text = decodeUtf8(bytes);
  try {
    return { text, root: scan(text) };
  } catch (error) {
    if (error instanceof BindingError) throw error;
    throw refused(messageOf(error).replace(/\.$/, ''), error); // saxes: "line:column: what is wrong."
  }
}

function refused(reason: string, cause?: unknown): BindingError {
  return new BindingError('INVALID_DOMAIN', `Cannot read domain XML: ${reason}`, { cause });
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    // A byte order mark stays in the text, so that it is there when the text is encoded again.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw refused('it is not UTF-8', cause);
  }
}

type Draft = { -readonly [Key in keyof Element]: Element[Key] } & { children: Element[] };

function scan(text: string): Element {
  const parser = new SaxesParser();
  const open: Draft[] = [];
  let root: Element | undefined;
  let elements = 0;
  let attributes = 0;

  parser.on('xmldecl', ({ version, encoding }) => {
    if (version !== '1.0') throw refused(`want XML version 1.0, got ${version}`);
    if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8') {
      throw refused(`want encoding UTF-8, got ${encoding}`);
    }
  });
  parser.on('doctype', () => {
    throw refused('a document type declaration is not accepted');
  });
  parser.on('opentagstart', ({ name }) => {
    elements += 1;
    attributes = 0;
    if (elements > MAX_ELEMENTS) throw refused(`it has more than ${MAX_ELEMENTS} elements`);
    if (open.length === MAX_DEPTH) throw refused(`elements are nested more than ${MAX_DEPTH} deep`);
    // Behind the position are the name and one character after it, neither with a "<".
    const start = text.lastIndexOf('<', parser.position - 1);
    open.push({
      name,
      namespace: '',
      attributes: {},
      children: [],
      start,
      contentStart: 0,
      contentEnd: 0,
      end: 0,
    });
  });
  parser.on('attribute', () => {
    attributes += 1;
    if (attributes > MAX_ATTRIBUTES) throw refused(`an element has more than ${MAX_ATTRIBUTES} attributes`);
  });
  parser.on('opentag', (tag) => {
    const element = open.at(-1);
    if (element === undefined) return;
    element.attributes = tag.attributes;
    element.namespace = tag.attributes['xmlns'] ?? open.at(-2)?.namespace ?? '';
    element.contentStart = parser.position;
  });
  parser.on('closetag', (tag) => {
    const element = open.pop();
    if (element === undefined) return;
    element.end = parser.position;
    element.contentEnd = tag.isSelfClosing ? element.end : text.lastIndexOf('</', element.end - 1);
    if (open.length === 0) root = element;
    else if (open.length < KEPT_DEPTH) open.at(-1)?.children.push(element);
  });
  parser.write(text).close();

  if (root === undefined) throw refused('it has no root element');
  return root;
}

/** The child elements of that name in libvirt's (no) namespace. */
export function childrenNamed(parent: Element, name: string): Element[] {
  return parent.children.filter((child) => child.name === name && child.namespace === '');
}
