import { BindingError } from '../../shared/errors.ts';
import { type Edit, replaceElement } from '../xml/edit.ts';
import type { Element } from '../xml/xml.ts';
import { addToContainer, qemuChildren, withPrefixOf } from './qemu-namespace.ts';

/** A QEMU option whose value contains `id=…`. The id identifies the option in later calls. */
export interface QemuArgument {
  /** Name of the option, such as `-netdev`. */
  readonly option: string;
  readonly id: string;
  readonly value: string;
}

/**
 * Adds missing arguments to QEMU's command line, and replaces those that have a different value.
 * All other arguments stay.
 *
 * @throws {BindingError} INVALID_DOMAIN if an id occurs more than once
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
      .map((value) => ({ name: withPrefixOf(like, 'arg'), attributes: { value } })),
  );
  return [...edits, ...added];
}

interface PresentArgument {
  readonly container: Element;
  /** The `<qemu:arg>` of the value, which follows that of the option. */
  readonly element: Element;
}

/** Maps option and id, such as "-netdev n1", to the arguments that have both. */
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

/**
 * Returns the id from an option list, without unescaping. Commas within values are doubled, but no
 * id that Tapwire writes contains one.
 */
function idOf(value: string): string | undefined {
  for (let start = 0; start <= value.length; ) {
    const end = endOfOption(value, start);
    if (value.startsWith('id=', start)) return value.slice(start + 'id='.length, end);
    start = end + 1;
  }
  return undefined;
}

/** Index of the next comma that is not doubled, or the length if there is none. */
function endOfOption(value: string, start: number): number {
  for (let at = start; ; at += 2) {
    at = value.indexOf(',', at);
    if (at === -1) return value.length;
    if (value[at + 1] !== ',') return at;
  }
}
