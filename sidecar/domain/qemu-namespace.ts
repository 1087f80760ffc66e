/**
 * Elements of libvirt's QEMU namespace, `qemu:commandline` and `qemu:override`, which set what
 * libvirt's own elements cannot. The document may give this namespace any prefix.
 *
 * Source: libvirt "Pass-through of arbitrary qemu commands"; schema domain.rng and
 *   domainoverrides.rng
 */
import { BindingError } from '../../shared/errors.ts';
import { appendTo, type Edit, insertAfter, insertAttribute } from '../xml/edit.ts';
import type { NewElement } from '../xml/markup.ts';
import type { Element } from '../xml/xml.ts';

const QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0';
const USUAL_PREFIX = 'qemu';

/** Declares a prefix at the root unless it has one. @throws {BindingError} INVALID_DOMAIN */
export function declarePrefix(root: Element): Edit[] {
  if (declaredPrefix(root) !== undefined) return [];
  const taken = root.attributes[`xmlns:${USUAL_PREFIX}`];
  if (taken === undefined) return [insertAttribute(root, `xmlns:${USUAL_PREFIX}`, QEMU)];
  const reason = `it declares prefix "${USUAL_PREFIX}" for ${JSON.stringify(taken)}, not for ${QEMU}`;
  throw new BindingError('INVALID_DOMAIN', `Cannot change domain XML: ${reason}`);
}

function declaredPrefix({ attributes }: Element): string | undefined {
  const declaration = Object.keys(attributes).find(
    (name) => name.startsWith('xmlns:') && attributes[name] === QEMU,
  );
  return declaration?.slice('xmlns:'.length);
}

/**
 * Returns the children, named `local` in the QEMU namespace, of the last element of a path.
 *
 * @param path elements from the root downwards
 */
export function qemuChildren(path: readonly Element[], local: string): Element[] {
  return (path.at(-1)?.children ?? []).filter(
    (child) => child.name === withPrefixOf(child, local) && namespaceOf([...path, child]) === QEMU,
  );
}

/**
 * Returns the namespace of the last element of a path. An undeclared `qemu` prefix counts as the
 * QEMU namespace, because virt-launcher loses declarations.
 */
function namespaceOf(path: readonly Element[]): string | undefined {
  const [, prefix] = /^([^:]+):/.exec(path.at(-1)?.name ?? '') ?? [];
  if (prefix === undefined) return path.at(-1)?.namespace;
  const declaring = path.findLast(({ attributes }) => attributes[`xmlns:${prefix}`] !== undefined);
  return declaring?.attributes[`xmlns:${prefix}`] ?? (prefix === USUAL_PREFIX ? QEMU : undefined);
}

/** Returns a name with the prefix of another element. */
export function withPrefixOf({ name }: Pick<Element, 'name'>, local: string): string {
  return name.slice(0, name.indexOf(':') + 1) + local;
}

/**
 * Adds new elements to the last container of that name, or to a new container at the end of the
 * document.
 *
 * @param children creates the new elements, given an element whose prefix they share
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
    ? [insertAfter(text, last, root, [{ name, attributes: {}, children: own }])]
    : [appendTo(text, container, root, own)];
}
