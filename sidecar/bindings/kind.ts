import { BINDING_NAMES, type Binding, kindOfName } from '../../shared/bindings.ts';
import { BindingError } from '../../shared/errors.ts';
import { readBinding } from '../../shared/record.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { findTap } from '../pod/wiring.ts';
import type { VmiInterface } from '../vmi/vmi.ts';

type InterfaceRef = Pick<VmiInterface, 'name' | 'binding' | 'network'>;

/**
 * Finds the kind of an interface's binding. The first source that names a kind decides:
 *
 * 1. the sidecar's image: TAPWIRE_BINDING
 * 2. the record on the tap that the CNI plugin created for the interface
 * 3. the name under which the binding is registered, see `kindOfName`
 * 4. a tap next to the pod link, which another CNI plugin created
 *
 * @param configured kind set by the image; null if none is set
 * @throws {BindingError} INVALID_VMI; the message lists the kinds
 */
export function kindOf(one: InterfaceRef, configured: Binding | null, links: readonly Link[]): Binding {
  const tap = findTap(one, links);
  const kind = configured ?? kindOfRecord(tap) ?? kindOfName(one.binding) ?? kindOfTap(tap);
  if (kind !== null) return kind;
  const words = `${BINDING_NAMES.slice(0, -1).join(', ')} or ${BINDING_NAMES.at(-1)}`;
  throw new BindingError(
    'INVALID_VMI',
    `Cannot bind interface "${one.name}": the kind of binding "${one.binding}" is unknown; ` +
      `register it under a name with the word ${words}, such as "lan-tap", or set TAPWIRE_BINDING in the sidecar's image`,
  );
}

function kindOfRecord(link: Link | undefined): Binding | null {
  const binding = link === undefined ? undefined : readBinding(link);
  return BINDING_NAMES.find((kind) => kind === binding) ?? null;
}

const kindOfTap = (link: Link | undefined): Binding | null => (link?.tun?.mode === 'tap' ? 'tap' : null);

/**
 * Warns of an image for one kind that serves a binding of another kind. If its name contains no
 * kind, its tap decides.
 */
export function kindWarnings(
  one: InterfaceRef,
  configured: Binding | null,
  links: readonly Link[],
): readonly string[] {
  const kind = kindOfRecord(findTap(one, links)) ?? kindOfName(one.binding);
  if (configured === null || kind === null || kind === configured) return [];
  return [
    `the sidecar's image sets TAPWIRE_BINDING=${configured}, but binding "${one.binding}" is ${kind}; ` +
      'register it with the image that serves every binding',
  ];
}
