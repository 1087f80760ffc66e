/**
 * XML as positions in a text: parsed to be understood and validated, changed by replacing ranges, never written out anew. Comments,
 * CDATA, entities, quotes and white space that nobody touches stay as they are.
 */
import { BindingError } from '../../shared/errors.ts';
import { Malformed, scanTags } from '../xml-scanner.ts';

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
/** Twice as many as 1,000 interfaces have. */
const MAX_ELEMENTS = 20_000;
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
    return { text, root: readTree(text) };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw refused(`${placeOf(text, error.position)}: ${error.message}`, error);
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

/** `line:column`, both from 1, as editors count. */
function placeOf(text: string, position: number): string {
  let [line, lineStart] = [1, 0];
  for (let at = text.indexOf('\n'); at !== -1 && at < position; at = text.indexOf('\n', lineStart)) {
    line += 1;
    lineStart = at + 1;
  }
  return `${line}:${position - lineStart + 1}`;
}

type Draft = { -readonly [Key in keyof Element]: Element[Key] } & { children: Element[] };

function readTree(text: string): Element {
  const open: Draft[] = [];
  let root: Element | undefined;
  let elements = 0;
  for (const tag of scanTags(text)) {
    const { kind, name, attributes, start, end } = tag;
    if (kind === 'end') {
      const element = open.pop();
      if (element?.name !== name) throw new Malformed(start, `an end tag "${name}" that ends nothing`);
      element.contentEnd = start;
      element.end = end;
      continue;
    }
    elements += 1;
    if (elements > MAX_ELEMENTS) throw new Malformed(start, `it has more than ${MAX_ELEMENTS} elements`);
    if (open.length === MAX_DEPTH)
      throw new Malformed(start, `elements are nested more than ${MAX_DEPTH} deep`);
    const parent = open.at(-1);
    const namespace = attributes['xmlns'] ?? parent?.namespace ?? '';
    // An empty element is all start tag; the end of another is known at its end tag.
    const element: Draft = {
      name,
      namespace,
      attributes,
      children: [],
      start,
      contentStart: end,
      contentEnd: end,
      end,
    };
    if (open.length < KEPT_DEPTH) parent?.children.push(element);
    root ??= element;
    if (kind === 'start') open.push(element);
  }
  return root as Element; // without one, scanTags throws
}

/** The child elements of that name in libvirt's (no) namespace. */
export function childrenNamed(parent: Element, name: string): Element[] {
  return parent.children.filter((child) => child.name === name && child.namespace === '');
}
