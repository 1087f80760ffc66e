/**
 * libvirt's way around itself, `qemu:commandline` and `qemu:override`: elements of a namespace of their own, under whatever
 * prefix the document gives it.
 *
 * Source: libvirt "Pass-through of arbitrary qemu commands"; schema domain.rng and domainoverrides.rng
 */
import { BindingError } from '../../shared/errors.ts';
import { appendTo, type Edit, insertAttribute, insertBehind } from '../xml/edit.ts';
import type { NewElement } from '../xml/markup.ts';
import type { Element } from '../xml/xml.ts';

const QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0';
const USUAL_PREFIX = 'qemu';

/** Makes the root declare a prefix, if it does not. @throws {BindingError} INVALID_DOMAIN */
export function declarePrefix(root: Element): Edit[] {
  if (declaredPrefix(root) !== undefined) return [];
  const taken = root.attributes[`xmlns:${USUAL_PREFIX}`];
  if (taken === undefined) return [insertAttribute(root, `xmlns:${USUAL_PREFIX}`, QEMU)];
  const reason = `its prefix "${USUAL_PREFIX}" stands for ${JSON.stringify(taken)}, not for ${QEMU}`;
  throw new BindingError('INVALID_DOMAIN', `Cannot change domain XML: ${reason}`);
}

function declaredPrefix({ attributes }: Element): string | undefined {
  const declaration = Object.keys(attributes).find(
    (name) => name.startsWith('xmlns:') && attributes[name] === QEMU,
  );
  return declaration?.slice('xmlns:'.length);
}

/** The children of the last element of a path that are `local` of the namespace. @param path from the root on */
export function qemuChildren(path: readonly Element[], local: string): Element[] {
  return (path.at(-1)?.children ?? []).filter(
    (child) => child.name === sibling(child, local) && namespaceOf([...path, child]) === QEMU,
  );
}

/** What the last element of a path is of. A prefix that nobody declares is meant to be: virt-launcher loses declarations. */
function namespaceOf(path: readonly Element[]): string | undefined {
  const [, prefix] = /^([^:]+):/.exec(path.at(-1)?.name ?? '') ?? [];
  if (prefix === undefined) return path.at(-1)?.namespace;
  const declaring = path.findLast(({ attributes }) => attributes[`xmlns:${prefix}`] !== undefined);
  return declaring?.attributes[`xmlns:${prefix}`] ?? (prefix === USUAL_PREFIX ? QEMU : undefined);
}

/** A name with the prefix of another element. */
export function sibling({ name }: Pick<Element, 'name'>, local: string): string {
  return name.slice(0, name.indexOf(':') + 1) + local;
}

/**
 * Puts new elements into a container, the last one that is there or a new one at the end of the document.
 *
 * @param children what to put there, given an element whose prefix they share
 */
export function addToContainer(
  text: string,
  root: Element,
  local: string,
  children: (like: Pick<Element, 'name'>) => readonly NewElement[],
): Edit[] {
  const container = qemuChildren([root], local).at(-1);
  const name = container?.name ?? `${declaredPrefix(root) ?? USUAL_PREFIX}:${local}`;
  const own = children({ name });
  const last = root.children.at(-1);
  if (own.length === 0 || last === undefined) return [];
  return container === undefined
    ? [insertBehind(text, last, root, [{ name, attributes: {}, children: own }])]
    : [appendTo(text, container, root, own)];
}
