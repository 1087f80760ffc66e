import { BINDINGS } from '../bindings.ts';
import { wiredByBinding, wiredByReference } from './reference.ts';
import { type Interface, isPrimary, type Network, type Vm } from './vm.ts';
import type { Cluster } from './vm-bindings.ts';

/** Who tells the guest its addresses on an interface with a tap of Tapwire. */
export interface GuestAddresses {
  /** The NAD that has `"guestAddresses": "pod"`; null if that is left to the network. */
  readonly toldBy: 'binding' | 'network' | null;
  /** How to change that, as a clause that begins with a verb. */
  readonly remedy: string;
}

/** Null if the interface has no tap of Tapwire, or it is unknown. */
export function guestAddressesOf(
  vm: Vm,
  one: Interface,
  network: Network,
  { registrations, nads }: Cluster,
): GuestAddresses | null {
  if (one.binding === null) return null;
  const byBinding = wiredByBinding(one, registrations.get(one.binding), vm, nads);
  const byNetwork = wiredByReference(network.multus?.networkName, vm.namespace, nads);
  const wired = byBinding ?? byNetwork;
  if (wired === null || wired.wiring === 'passt' || wired.wiring === 'macvtap') return null;
  const isMany = wired.wiring === 'tap-mq' || wired.wiring === 'tap-secondary-mq';
  const nad = 'its NetworkAttachmentDefinition';
  const use = (kind: 'tap' | 'tap-secondary' | 'tap-pod-ip') =>
    `use binding "${BINDINGS[isMany ? (`${kind}-mq` as const) : kind].registeredAs}"`;
  if (byBinding?.servesGuest) {
    return { toldBy: 'binding', remedy: use(isPrimary(network) ? 'tap' : 'tap-secondary') };
  }
  if (byNetwork?.servesGuest) return { toldBy: 'network', remedy: `remove "guestAddresses" from ${nad}` };
  const remedy = byBinding === null ? `set "guestAddresses": "pod" in ${nad}` : use('tap-pod-ip');
  return { toldBy: null, remedy };
}
