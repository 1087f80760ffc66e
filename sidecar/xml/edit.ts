/**
 * Changes a document by replacing ranges of its text. New elements follow the layout of the
 * elements around them.
 */
import { type Layout, type NewElement, write } from './markup.ts';
import type { Element } from './xml.ts';

/** A replacement: `markup` replaces the text from `start` to `end`, in UTF-16 indices. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly markup: string;
}

export function replaceElement(text: string, element: Element, parent: Element, next: NewElement): Edit {
  const { start, end } = element;
  return { start, end, markup: write(next, layoutOf(text, element, parent), text) };
}

/** Inserts new elements after `sibling`. */
export function insertAfter(
  text: string,
  sibling: Element,
  parent: Element,
  elements: readonly NewElement[],
): Edit {
  const markup = writeAll(text, elements, layoutOf(text, sibling, parent));
  return { start: sibling.end, end: sibling.end, markup };
}

/**
 * Inserts new elements before all children of `parent`, which may have none.
 *
 * @param outer the parent of `parent`
 */
export function insertFirst(
  text: string,
  parent: Element,
  outer: Element,
  elements: readonly NewElement[],
): Edit {
  const [sibling] = parent.children;
  const layout =
    sibling === undefined ? layoutOfFirstChild(text, parent, outer) : layoutOf(text, sibling, parent);
  const markup = writeAll(text, elements, layout);

  const { start, contentStart, contentEnd, end } = parent;
  const closing = contentStart === contentEnd ? (lineBreakBefore(text, start) ?? '') : '';
  if (contentStart < end) return { start: contentStart, end: contentStart, markup: markup + closing };
  return { start: end - '/>'.length, end, markup: `>${markup}${closing}</${parent.name}>` };
}

/**
 * Inserts new elements after all children of `parent`, which may have none.
 *
 * @param outer the parent of `parent`
 */
export function appendTo(
  text: string,
  parent: Element,
  outer: Element,
  elements: readonly NewElement[],
): Edit {
  const last = parent.children.at(-1);
  return last === undefined
    ? insertFirst(text, parent, outer, elements)
    : insertAfter(text, last, parent, elements);
}

/**
 * Inserts an attribute before the others.
 *
 * @param value must not need escaping
 */
export function insertAttribute({ start, name }: Element, attribute: string, value: string): Edit {
  const at = start + '<'.length + name.length;
  return { start: at, end: at, markup: ` ${attribute}="${value}"` };
}

/**
 * Applies all edits to the text. They must not overlap; edits at the same position keep their
 * order.
 */
export function splice(text: string, edits: readonly Edit[]): string {
  let result = '';
  let at = 0;
  for (const { start, end, markup } of edits.toSorted((one, other) => one.start - other.start)) {
    result += text.slice(at, start) + markup;
    at = end;
  }
  return result + text.slice(at);
}

function writeAll(text: string, elements: readonly NewElement[], layout: Layout): string {
  return elements.map((element) => (layout?.lineBreak ?? '') + write(element, layout, text)).join('');
}

/** Returns the layout of a child of `parent`. */
function layoutOf(text: string, element: Element, parent: Element): Layout {
  const lineBreak = lineBreakBefore(text, element.start);
  if (lineBreak === null) return null;
  // The root may start the document, without a line break before it.
  const outer = parent.start === 0 ? '' : lineBreakBefore(text, parent.start)?.replace(/^\r?\n/, '');
  const indentation = lineBreak.replace(/^\r?\n/, '');
  const isDeeper = outer !== undefined && indentation.startsWith(outer);
  return { lineBreak, unit: isDeeper ? indentation.slice(outer.length) : '\t' };
}

/**
 * Returns the layout of the first child of an empty element: one level deeper than the element, by
 * the indentation that the element has relative to `parent`.
 */
function layoutOfFirstChild(text: string, element: Element, parent: Element): Layout {
  const own = layoutOf(text, element, parent);
  return own === null ? null : { lineBreak: own.lineBreak + own.unit, unit: own.unit };
}

/**
 * Maximum indentation in characters, because each line written below an element repeats its
 * indentation.
 */
const MAX_INDENTATION = 200;

/**
 * Returns the line break and the indentation before a node; null if the node is not the first on
 * its line or is indented too far.
 */
function lineBreakBefore(text: string, position: number): string | null {
  let start = position;
  while (text[start - 1] === ' ' || text[start - 1] === '\t') {
    start -= 1;
    if (position - start > MAX_INDENTATION) return null;
  }
  if (text[start - 1] !== '\n') return null;
  return text.slice(text[start - 2] === '\r' ? start - 2 : start - 1, position);
}
