import { BindingError } from '../shared/errors.ts';
import { type Layout, type NewElement, write } from './markup.ts';
import { childrenNamed, type Element, parseXml } from './xml.ts';

/** One domain interface to put in place. */
export interface BoundInterface {
  /** The VMI interface's name, for messages. */
  readonly name: string;
  readonly alias: string;
  /** Decides what it looks like, given what the domain has under that alias. */
  readonly render: (current: Element | undefined) => NewElement;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly markup: string;
}

/**
 * Puts interfaces into a domain: over the one with the same alias, else behind the last interface. Everything else stays byte for
 * byte, and a second time changes nothing.
 *
 * @throws {BindingError} INVALID_DOMAIN
 */
export function bindInterfaces(domainXml: Uint8Array, bound: readonly BoundInterface[]): Buffer {
  const { text, root } = parseXml(domainXml);
  const devices = findDevices(root);
  const edits: Edit[] = [];
  const missing: NewElement[] = [];
  for (const one of bound) {
    const current = findInterface(devices, one);
    const next = one.render(current);
    if (current === undefined) missing.push(next);
    else
      edits.push({
        start: current.start,
        end: current.end,
        markup: write(next, layoutOf(text, current, devices), text),
      });
  }
  if (missing.length > 0) edits.push(append(text, root, devices, missing));
  return Buffer.from(splice(text, edits), 'utf8');
}

function findDevices(root: Element): Element {
  if (root.name !== 'domain' || root.namespace !== '') {
    throw new BindingError(
      'INVALID_DOMAIN',
      `Cannot read domain XML: its root is <${root.name}>, not <domain>`,
    );
  }
  const [devices, ...others] = childrenNamed(root, 'devices');
  if (devices === undefined || others.length > 0) {
    throw new BindingError(
      'INVALID_DOMAIN',
      `Cannot read domain XML: it has ${devices ? 'more than one' : 'no'} <devices>`,
    );
  }
  return devices;
}

function findInterface(devices: Element, { name, alias }: BoundInterface): Element | undefined {
  const [found, ...others] = childrenNamed(devices, 'interface').filter((candidate) =>
    childrenNamed(candidate, 'alias').some(({ attributes }) => attributes['name'] === alias),
  );
  if (others.length > 0) {
    const reason = `the domain has ${others.length + 1} interfaces with alias "${alias}"`;
    throw new BindingError('INVALID_DOMAIN', `Cannot bind interface "${name}": ${reason}`);
  }
  return found;
}

/** The new interfaces behind the last one, or first among the devices. */
function append(text: string, root: Element, devices: Element, missing: readonly NewElement[]): Edit {
  const last = childrenNamed(devices, 'interface').at(-1);
  const sibling = last ?? devices.children[0];
  const layout =
    sibling === undefined ? layoutOfFirstChild(text, devices, root) : layoutOf(text, sibling, devices);
  const markup = missing.map((element) => (layout?.lineBreak ?? '') + write(element, layout, text)).join('');
  if (last !== undefined) return { start: last.end, end: last.end, markup };

  const { start, contentStart, contentEnd, end } = devices;
  const closing = contentStart === contentEnd ? (lineBreakBefore(text, start) ?? '') : '';
  if (contentStart < end) return { start: contentStart, end: contentStart, markup: markup + closing };
  return { start: end - '/>'.length, end, markup: `>${markup}${closing}</${devices.name}>` };
}

/** That of an element which is there, beneath `parent`. */
function layoutOf(text: string, element: Element, parent: Element): Layout {
  const lineBreak = lineBreakBefore(text, element.start);
  const outer = lineBreakBefore(text, parent.start);
  if (lineBreak === null) return null;
  return {
    lineBreak,
    unit: outer !== null && lineBreak.startsWith(outer) ? lineBreak.slice(outer.length) : '\t',
  };
}

/** That of the first child of an empty element: one level deeper, as deep as its own is beneath `parent`. */
function layoutOfFirstChild(text: string, element: Element, parent: Element): Layout {
  const own = layoutOf(text, element, parent);
  return own === null ? null : { lineBreak: own.lineBreak + own.unit, unit: own.unit };
}

/** The line break and the indentation before a node; null when it does not stand first on its line. */
function lineBreakBefore(text: string, position: number): string | null {
  let start = position;
  while (text[start - 1] === ' ' || text[start - 1] === '\t') start -= 1;
  if (text[start - 1] !== '\n') return null;
  return text.slice(text[start - 2] === '\r' ? start - 2 : start - 1, position);
}

function splice(text: string, edits: readonly Edit[]): string {
  let result = '';
  let at = 0;
  for (const { start, end, markup } of edits.toSorted((one, other) => one.start - other.start)) {
    result += text.slice(at, start) + markup;
    at = end;
  }
  return result + text.slice(at);
}
