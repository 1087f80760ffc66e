import { BINDINGS, type BindingManifests, isForRegistration } from '../bindings.ts';
import { doubt, error, type Problem } from './finding.ts';
import { problemsOfMacvtapFit, problemsOfNoMacvtap } from './macvtap-fit.ts';
import { WIRINGS, type Wiring } from './nad-config.ts';
import type { NadIndex } from './nad-index.ts';
import { problemsOfMethod } from './network-wires.ts';
import { findNad, parseReference, wiringOfReference } from './reference.ts';
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
  const byBinding = wiringOfBinding(one, registered, vm, nads);
  const networkName = network?.multus?.networkName;
  const byNetwork = wiringOfReference(networkName, vm.namespace, nads);
  const nad =
    networkName === undefined ? undefined : findNad(parseReference(networkName), vm.namespace, nads);
  if (network !== undefined && nad?.wiring === 'macvtap')
    return [...problemsOfMacvtapFit(vm, one, network, nad, registered, byBinding)];
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
  const wiring = byBinding ?? byNetwork;
  // A registration that names a NAD of a macvtap is reported there.
  if (wiring === null || wiring === 'macvtap') return [];
  const ofMethod =
    networkName !== undefined && byNetwork !== null
      ? problemsOfMethod(one, registered, wiring, networkName)
      : [];
  if (ofMethod.length > 0) return ofMethod;
  const isSecondary = network !== undefined && !isPrimary(network);
  if (wiring !== 'passt') {
    const isForSecondary = isSecondary && byBinding !== null;
    return problemsOfQueues(vm, one, wiring, isForSecondary, Boolean(registered?.plugin['sidecarImage']));
  }
  return isSecondary ? [error('passt serves only the primary network; use tap for this one')] : [];
}

/**
 * Finds the wiring by the NAD of an interface's binding. Null if it does not run Tapwire, or is
 * unknown.
 */
export function wiringOfBinding(
  { binding }: Interface,
  registered: Registered | undefined,
  { namespace }: Vm,
  nads: NadIndex,
): Wiring | null {
  if (registered !== undefined) {
    return wiringOfReference(registered.plugin['networkAttachmentDefinition'], namespace, nads);
  }
  return WIRINGS.find((wiring) => isRegisteredAs(BINDINGS[wiring], binding)) ?? null;
}

/** Whether a NAD of Tapwire comes with the binding of this name. */
const isRegisteredAs = (manifests: BindingManifests, binding: string | null): boolean =>
  isForRegistration(manifests) && manifests.registeredAs === binding;

/**
 * Checks the queues: a tap has one or several, and libvirt opens it as the VM says. Tapwire's
 * sidecar makes them agree.
 *
 * @param isForSecondary whether to name the bindings for secondary networks; a network's own NAD
 * has none of these
 */
function problemsOfQueues(
  { queues }: Vm,
  { model }: Interface,
  wiring: Exclude<Wiring, 'passt' | 'macvtap'>,
  isForSecondary: boolean,
  hasSidecar: boolean,
): readonly Problem[] {
  if (queues === null || (model === null && queues > 1)) return [];
  const own = model === '' || model === 'virtio' ? queues : 0;
  const isMany = own > 1;
  const takesMany = wiring === 'tap-mq' || wiring === 'tap-secondary-mq';
  if (isMany === takesMany) return [];
  const isAny = wiring === 'tap' || wiring === 'tap-mq';
  const [single, many] =
    isAny && !isForSecondary
      ? (['tap', 'tap-mq'] as const)
      : (['tap-secondary', 'tap-secondary-mq'] as const);
  const reason = isMany
    ? `the VM asks for ${own} queues (networkInterfaceMultiqueue) but its tap has one; use binding "${BINDINGS[many].registeredAs}"`
    : `its tap takes several queues but the VM asks for one; use binding "${BINDINGS[single].registeredAs}", or ` +
      'set networkInterfaceMultiqueue with two or more vCPUs and model virtio';
  const outcome = hasSidecar
    ? 'the VM boots only because the sidecar adapts its queues'
    : 'QEMU cannot open the tap and the VM does not boot';
  return [(hasSidecar ? doubt : error)(`${reason}; as it is, ${outcome}`)];
}
