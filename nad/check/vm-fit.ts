import { BINDINGS, type BindingKind } from '../bindings.ts';
import { doubt, error, type Problem } from './finding.ts';
import { problemsOfMacvtapFit, problemsOfNoMacvtap } from './macvtap-fit.ts';
import type { Wired } from './nad-config.ts';
import type { NadIndex } from './nad-index.ts';
import { problemsOfMethod } from './network-wires.ts';
import { findNad, parseReference, wiredByBinding, wiredByReference } from './reference.ts';
import type { Registered } from './registrations.ts';
import { type Interface, isPrimary, type Network, type Vm } from './vm.ts';

/** Checks that the VM can use what Tapwire wires for an interface. */
export function problemsOfFit(
  vm: Vm,
  one: Interface,
  network: Network | undefined,
  registered: Registered | undefined,
  nads: NadIndex,
): readonly Problem[] {
  const byBinding = wiredByBinding(one, registered, vm, nads);
  const networkName = network?.multus?.networkName;
  const byNetwork = wiredByReference(networkName, vm.namespace, nads);
  const nad =
    networkName === undefined ? undefined : findNad(parseReference(networkName), vm.namespace, nads);
  if (network !== undefined && nad?.wiring === 'macvtap')
    return [...problemsOfMacvtapFit(vm, one, network, nad, registered, byBinding?.wiring ?? null)];
  const ofNoMacvtap = problemsOfNoMacvtap(one, network, registered, vm, nads);
  if (ofNoMacvtap.length > 0) return ofNoMacvtap;
  if (byBinding !== null && byNetwork !== null) {
    const reason = `both its binding and its network "${networkName}" run Tapwire, and the second call fails`;
    return [error(`${reason}; remove it from one of the NetworkAttachmentDefinitions`)];
  }
  if (networkName !== undefined && nad?.isFirst) {
    const reason = `its network "${networkName}" runs only Tapwire, so no plugin creates the link to wire`;
    return [
      error(
        `${reason}; put Tapwire after a plugin that creates it, or name that NetworkAttachmentDefinition in the registration`,
      ),
    ];
  }
  const wired = byBinding ?? byNetwork;
  // A registration that names a NAD of a macvtap is reported there.
  if (wired === null || wired.wiring === 'macvtap') return [];
  const { wiring, servesGuest } = wired;
  const ofMethod =
    networkName !== undefined && byNetwork !== null
      ? problemsOfMethod(one, registered, wiring, networkName)
      : [];
  if (ofMethod.length > 0) return ofMethod;
  const isSecondary = network !== undefined && !isPrimary(network);
  if (wiring !== 'passt') {
    const isForSecondary = isSecondary && byBinding !== null;
    const names = namesOf(wiring, servesGuest, isForSecondary);
    return problemsOfQueues(vm, one, wiring, names, Boolean(registered?.plugin['sidecarImage']));
  }
  return isSecondary ? [error('passt serves only the primary network; use tap for this one')] : [];
}

type TapWiring = Exclude<Wired['wiring'], 'passt' | 'macvtap'>;
/** Bindings for one queue, and for several. */
type Pair = readonly [single: BindingKind, many: BindingKind];

/**
 * @param isForSecondary whether to name the bindings for secondary networks; a network's own NAD
 * has none of these
 */
function namesOf(wiring: TapWiring, servesGuest: boolean, isForSecondary: boolean): Pair {
  if (servesGuest) return ['tap-pod-ip', 'tap-pod-ip-mq'];
  const isAny = wiring === 'tap' || wiring === 'tap-mq';
  return isAny && !isForSecondary ? ['tap', 'tap-mq'] : ['tap-secondary', 'tap-secondary-mq'];
}

/**
 * Checks the queues: a tap has one or several, and libvirt opens it as the VM says. Tapwire's
 * sidecar makes them agree.
 *
 * @param names of the bindings to use instead
 */
function problemsOfQueues(
  { queues }: Vm,
  { model }: Interface,
  wiring: TapWiring,
  [single, many]: Pair,
  hasSidecar: boolean,
): readonly Problem[] {
  if (queues === null || (model === null && queues > 1)) return [];
  const own = model === '' || model === 'virtio' ? queues : 0;
  const isMany = own > 1;
  const takesMany = wiring === 'tap-mq' || wiring === 'tap-secondary-mq';
  if (isMany === takesMany) return [];
  const reason = isMany
    ? `the VM asks for ${own} queues (networkInterfaceMultiqueue) but its tap has one; use binding "${BINDINGS[many].registeredAs}"`
    : `its tap takes several queues but the VM asks for one; use binding "${BINDINGS[single].registeredAs}", or ` +
      'set networkInterfaceMultiqueue with two or more vCPUs and model virtio';
  const outcome = hasSidecar
    ? 'the VM boots only because the sidecar adapts its queues'
    : 'QEMU cannot open the tap and the VM does not boot';
  return [(hasSidecar ? doubt : error)(`${reason}; as it is, ${outcome}`)];
}
