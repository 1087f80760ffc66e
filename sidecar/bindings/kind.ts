import { BINDING_NAMES, type Binding } from '../../shared/bindings.ts';
import { BindingError } from '../../shared/errors.ts';
import { readBinding } from '../../shared/record.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { lookUpTap } from '../pod/wiring.ts';
import type { VmiInterface } from '../vmi/vmi.ts';

/**
 * The kind of binding that an interface has. The first of these that says one decides:
 *
 * 1. the image: TAPWIRE_BINDING
 * 2. what our CNI plugin made beside the interface's pod link
 * 3. the name that the binding is registered under, by `kindOfName`
 *
 * @param configured by the image; null: it says none
 * @throws {BindingError} INVALID_VMI naming the choices
 */
export function kindOf(
  one: Pick<VmiInterface, 'name' | 'binding' | 'network'>,
  configured: Binding | null,
  links: readonly Link[],
): Binding {
  const kind = configured ?? kindOfRecord(lookUpTap(one, links)) ?? kindOfName(one.binding);
  if (kind !== null) return kind;
  const words = `${BINDING_NAMES.slice(0, -1).join(', ')} or ${BINDING_NAMES.at(-1)}`;
  throw new BindingError(
    'INVALID_VMI',
    `Cannot bind interface "${one.name}": nothing says what binding "${one.binding}" is; ` +
      `register it by a name with the word ${words} ("lan-tap"), or set TAPWIRE_BINDING in the sidecar's image`,
  );
}

/**
 * The kind that a registered name has in it, as the only one among its words, which are parted by "-". `tapwire` alone means tap.
 * Null: the name says none, or several.
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
