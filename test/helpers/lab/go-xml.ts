/**
 * XML as virt-launcher handles it: read into Go structs, which keep only the fields that they have,
 * and written again.
 */
import { SaxesParser } from 'saxes';

/** An element as a Go struct stores it: no comments, no positions, text only in leaves. */
export interface GoElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly GoElement[];
  readonly text: string;
}

/** An element with children. */
export function node(name: string, attributes: Record<string, string>, ...children: GoElement[]): GoElement {
  return { name, attributes, children, text: '' };
}

/** An element with only text. */
export function leaf(name: string, text: string, attributes: Record<string, string> = {}): GoElement {
  return { name, attributes, children: [], text };
}

export function childNamed(element: GoElement, name: string): GoElement | undefined {
  return element.children.find((child) => child.name === name);
}

/**
 * The element with all children of one name replaced by others, at the position of the first of
 * them or else at the end.
 */
export function withChildren(
  element: GoElement,
  name: string,
  replacements: readonly GoElement[],
): GoElement {
  const at = element.children.findIndex((child) => child.name === name);
  const kept = element.children.filter((child) => child.name !== name);
  const position = at === -1 ? kept.length : at;
  return { ...element, children: [...kept.slice(0, position), ...replacements, ...kept.slice(position)] };
}

export function parseGoXml(text: string): GoElement {
  interface Open {
    readonly name: string;
    readonly attributes: Record<string, string>;
    readonly children: GoElement[];
    text: string;
  }
  const open: Open[] = [{ name: '', attributes: {}, children: [], text: '' }];
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => open.push({ name, attributes, children: [], text: '' }));
  parser.on('text', (data) => {
    const current = open.at(-1);
    if (current !== undefined) current.text += data;
  });
  parser.on('closetag', () => {
    const closed = open.pop();
    if (closed === undefined) return;
    const isLeaf = closed.children.length === 0;
    open.at(-1)?.children.push({ ...closed, text: isLeaf ? closed.text : '' });
  });
  parser.write(text).close();
  const root = open[0]?.children[0];
  if (root === undefined) throw new Error('Cannot read XML: no element in it');
  return root;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
  '\t': '&#x9;',
  '\n': '&#xA;',
  '\r': '&#xD;',
};
const escapeText = (text: string) => text.replace(/[&<>"'\t\n\r]/g, (character) => ESCAPES[character] ?? '');

/**
 * Writes XML as Go's `xml.MarshalIndent(spec, "", "\t")` does: no declaration, no empty-element
 * tags, double quotes.
 */
export function toGoXml(element: GoElement, indent = ''): string {
  const attributes = Object.entries(element.attributes).map(
    ([key, value]) => ` ${key}="${escapeText(value)}"`,
  );
  const children = element.children.map((child) => `\n${toGoXml(child, `${indent}\t`)}`).join('');
  const content = element.children.length > 0 ? `${children}\n${indent}` : escapeText(element.text);
  return `${indent}<${element.name}${attributes.join('')}>${content}</${element.name}>`;
}
