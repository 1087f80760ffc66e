import { BINDING_NAMES, type Binding } from '../../shared/bindings.ts';
import { BindingError } from '../../shared/errors.ts';
import { readBinding } from '../../shared/record.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { findTap } from '../pod/wiring.ts';
import type { VmiInterface } from '../vmi/vmi.ts';

/**
 * Finds the kind of an interface's binding. The first source that names a kind decides:
 *
 * 1. the sidecar's image: TAPWIRE_BINDING
 * 2. the record on the tap that the CNI plugin created for the interface
 * 3. the name under which the binding is registered, see `kindOfName`
 *
 * @param configured kind set by the image; null if none is set
 * @throws {BindingError} INVALID_VMI; the message lists the kinds
 */
export function kindOf(
  one: Pick<VmiInterface, 'name' | 'binding' | 'network'>,
  configured: Binding | null,
  links: readonly Link[],
): Binding {
  const kind = configured ?? kindOfRecord(findTap(one, links)) ?? kindOfName(one.binding);
  if (kind !== null) return kind;
  const words = `${BINDING_NAMES.slice(0, -1).join(', ')} or ${BINDING_NAMES.at(-1)}`;
  throw new BindingError(
    'INVALID_VMI',
    `Cannot bind interface "${one.name}": the kind of binding "${one.binding}" is unknown; ` +
      `register it under a name with the word ${words}, such as "lan-tap", or set TAPWIRE_BINDING in the sidecar's image`,
  );
}

/**
 * Finds the kind that a registered name contains as one of its words, which are separated by "-".
 * The name `tapwire` without a kind means tap. Returns null if the name contains no kind, or
 * several.
 */
export function kindOfName(name: string): Binding | null {
  const words = name.split('-');
  const [kind, ...others] = BINDING_NAMES.filter((candidate) => words.includes(candidate));
  if (kind === undefined) return words.includes('tapwire') ? 'tap' : null;
  return others.length === 0 ? kind : null;
}

function kindOfRecord(link: Link | undefined): Binding | null {
  const binding = link === undefined ? undefined : readBinding(link);
  return BINDING_NAMES.find((kind) => kind === binding) ?? null;
}
