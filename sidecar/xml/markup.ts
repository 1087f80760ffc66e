import { BindingError } from '../../shared/errors.ts';
import { type Element, findForbiddenCharacter } from './xml.ts';

/** An element to be written. A child that is an `Element` of the document is copied unchanged. */
export interface NewElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children?: readonly (NewElement | Element)[];
}

/**
 * Layout of an element: the line break and indentation before it, and the indentation that each
 * level adds. Null means that all is on one line.
 */
export type Layout = { readonly lineBreak: string; readonly unit: string } | null;

/**
 * Writes an element in virt-launcher's style: start and end tag, attributes in double quotes, each
 * child on its own line.
 *
 * @param text the document that contains the copied children
 * @throws {BindingError} INVALID_VMI on a character that XML does not allow, because all new text
 *   comes from the VMI
 */
export function write(element: NewElement, layout: Layout, text: string): string {
  const attributes = Object.entries(element.attributes).map(
    ([name, value]) => ` ${name}="${escapeText(value)}"`,
  );
  const tag = `<${element.name}${attributes.join('')}>`;
  const inner = layout === null ? null : { ...layout, lineBreak: layout.lineBreak + layout.unit };
  const children = (element.children ?? []).map((child) => {
    const markup = 'start' in child ? text.slice(child.start, child.end) : write(child, inner, text);
    return (inner?.lineBreak ?? '') + markup;
  });
  const closing = children.length === 0 ? '' : (layout?.lineBreak ?? '');
  return `${tag}${children.join('')}${closing}</${element.name}>`;
}

const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
  '\t': '&#x9;',
  '\n': '&#xA;',
  '\r': '&#xD;',
};

/** Returns the length in characters of an element that is written on one line. */
export function lengthOf(element: NewElement | Element): number {
  if ('start' in element) return element.end - element.start;
  const attributes = Object.entries(element.attributes).reduce(
    (sum, [name, value]) => sum + ` ${name}=""`.length + escapedLength(value),
    `<${element.name}></${element.name}>`.length,
  );
  return (element.children ?? []).reduce((sum, child) => sum + lengthOf(child), attributes);
}

/**
 * Returns the length after escaping. Does not write the text, because a megabyte of quotes would
 * become five.
 */
function escapedLength(value: string): number {
  let length = value.length;
  for (let at = 0; at < value.length; at += 1) length += (REFERENCES[value.charAt(at)]?.length ?? 1) - 1;
  return length;
}

/** Number of characters to escape at once, because `replace` keeps all matches in memory. */
const SLICE = 16 * 1024;

function escapeText(value: string): string {
  if (!value.isWellFormed() || findForbiddenCharacter(value) !== -1) {
    throw new BindingError(
      'INVALID_VMI',
      `Cannot write ${JSON.stringify(value)} to the domain: XML does not allow one of its characters`,
    );
  }
  let escaped = '';
  for (let at = 0; at < value.length; at += SLICE) {
    const slice = value.slice(at, at + SLICE);
    escaped += slice.replace(/[&<>"'\t\n\r]/g, (character) => REFERENCES[character] ?? '');
  }
  return escaped;
}
