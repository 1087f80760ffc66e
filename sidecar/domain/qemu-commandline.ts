import { BindingError } from '../../shared/errors.ts';
import { type Edit, replaceElement } from '../xml/edit.ts';
import type { Element } from '../xml/xml.ts';
import { addToContainer, qemuChildren, sibling } from './qemu-namespace.ts';

/** An option of QEMU whose value has `id=` among others; by that id it is found again. */
export interface QemuArgument {
  /** `-netdev` … */
  readonly option: string;
  readonly id: string;
  readonly value: string;
}

/**
 * Makes QEMU's command line have these arguments: added where missing, replaced where they have another value. Those of others
 * stay.
 *
 * @throws {BindingError} INVALID_DOMAIN when an id is there more than once
 */
export function argumentEdits(text: string, root: Element, args: readonly QemuArgument[]): Edit[] {
  const present = presentArguments(root);
  const missing: QemuArgument[] = [];
  const edits: Edit[] = [];
  for (const arg of args) {
    const [found, ...others] = present.get(`${arg.option} ${arg.id}`) ?? [];
    if (others.length > 0) {
      const reason = `its QEMU command line has ${others.length + 1} ${arg.option} with id ${arg.id}`;
      throw new BindingError('INVALID_DOMAIN', `Cannot change domain XML: ${reason}`);
    }
    if (found === undefined) missing.push(arg);
    else if (found.element.attributes['value'] !== arg.value) {
      const next = { name: found.element.name, attributes: { value: arg.value } };
      edits.push(replaceElement(text, found.element, found.container, next));
    }
  }
  const added = addToContainer(text, root, 'commandline', (like) =>
    missing
      .flatMap(({ option, value }) => [option, value])
      .map((value) => ({ name: sibling(like, 'arg'), attributes: { value } })),
  );
  return [...edits, ...added];
}

interface PresentArgument {
  readonly container: Element;
  /** Of the value, not the option before it. */
  readonly element: Element;
}

/** Option and id, as in "-netdev n1" => the arguments that have them. */
function presentArguments(root: Element): Map<string, PresentArgument[]> {
  const present = new Map<string, PresentArgument[]>();
  let option = '';
  for (const container of qemuChildren([root], 'commandline')) {
    for (const element of qemuChildren([root, container], 'arg')) {
      const value = element.attributes['value'] ?? '';
      const key = `${option} ${idOf(value)}`;
      const same = present.get(key);
      if (same === undefined) present.set(key, [{ container, element }]);
      else same.push({ container, element });
      option = value;
    }
  }
  return present;
}

/** The id among a list of options, as it is written: a comma within a value is doubled, and no id of ours has one. */
function idOf(value: string): string | undefined {
  for (let start = 0; start <= value.length; ) {
    const end = endOfOption(value, start);
    if (value.startsWith('id=', start)) return value.slice(start + 'id='.length, end);
    start = end + 1;
  }
  return undefined;
}

/** Where the next comma is that is not doubled, or the end. */
function endOfOption(value: string, start: number): number {
  for (let at = start; ; at += 2) {
    at = value.indexOf(',', at);
    if (at === -1) return value.length;
    if (value[at + 1] !== ',') return at;
  }
}
