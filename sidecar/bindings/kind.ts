import { BINDING_NAMES, type Binding, kindOfName } from '../../shared/bindings.ts';
import { BindingError } from '../../shared/errors.ts';
import { readBinding } from '../../shared/record.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { findMacvtap, findTap } from '../pod/wiring.ts';
import type { VmiInterface } from '../vmi/vmi.ts';

type InterfaceRef = Pick<VmiInterface, 'name' | 'binding' | 'network'>;

/**
 * Finds the kind of an interface's binding. The first source that names a kind decides:
 *
 * 1. the sidecar's image, if it is pinned to a kind by TAPWIRE_BINDING
 * 2. the record on the tap or macvtap that the CNI plugin created for the interface
 * 3. the name under which the binding is registered, see `kindOfName`
 * 4. a tap or macvtap of another program in the place of the CNI plugin's
 *
 * @param pinned kind set by the image; null if none is set
 * @throws {BindingError} INVALID_VMI; the message lists the kinds
 */
export function kindOf(one: InterfaceRef, pinned: Binding | null, links: readonly Link[]): Binding {
  const link = findGuestLink(one, links);
  const kind = pinned ?? kindOfRecord(link) ?? kindOfName(one.binding) ?? kindOfLink(link);
  if (kind !== null) return kind;
  const words = `${BINDING_NAMES.slice(0, -1).join(', ')} or ${BINDING_NAMES.at(-1)}`;
  throw new BindingError(
    'INVALID_VMI',
    `Cannot bind interface "${one.name}": the kind of binding "${one.binding}" is unknown; ` +
      `register it under a name with the word ${words}, such as "lan-tap", or set TAPWIRE_BINDING in the sidecar's image`,
  );
}

/**
 * Warns of an image that is pinned to another kind than the tap's record or the registered name
 * means. The image decides nevertheless: a name can mean a kind by accident.
 */
export function pinWarnings(one: InterfaceRef, pinned: Binding | null, links: readonly Link[]): string[] {
  if (pinned === null) return [];
  const recorded = kindOfRecord(findGuestLink(one, links));
  const kind = recorded ?? kindOfName(one.binding);
  if (kind === null || kind === pinned) return [];
  const source = recorded === null ? 'by its name' : `by the record on the interface's ${recorded}`;
  return [
    `the sidecar's image sets TAPWIRE_BINDING=${pinned}, but binding "${one.binding}" of interface "${one.name}" is ${kind} ${source}; ` +
      "set the registration's sidecarImage to the image without a binding in its tag, which serves every binding",
  ];
}

/** Returns the link that QEMU would open: a tap next to the pod link, or a macvtap. */
const findGuestLink = (one: InterfaceRef, links: readonly Link[]): Link | undefined =>
  findTap(one, links) ?? findMacvtap(one, links);

function kindOfRecord(link: Link | undefined): Binding | null {
  const binding = link === undefined ? undefined : readBinding(link);
  return BINDING_NAMES.find((kind) => kind === binding) ?? null;
}

function kindOfLink(link: Link | undefined): Binding | null {
  if (link?.tun?.mode === 'tap') return 'tap';
  return link?.macvtap ? 'macvtap' : null;
}
