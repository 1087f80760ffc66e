import { REGISTERED_AS } from '../../shared/bindings.ts';
import { advice, doubt, error, type Problem } from './finding.ts';
import type { NadSeen, Wiring } from './nad-config.ts';
import type { NadIndex } from './nad-index.ts';
import { findNad, parseReference } from './reference.ts';
import type { Registered } from './registrations.ts';
import { type Interface, isPrimary, type Network, type Vm } from './vm.ts';

const NAME = REGISTERED_AS.macvtap;
const REMEDY = `use binding "${NAME}" (domainAttachmentType "tap")`;

/**
 * Checks that an interface can use the macvtap that its network creates. KubeVirt must open it by
 * its device node, which only `domainAttachmentType: tap` does.
 *
 * @param registered undefined if the files do not register the binding
 * @param byBinding what the binding's own NAD wires; null if it wires nothing
 */
export function* problemsOfMacvtapFit(
  vm: Vm,
  one: Interface,
  network: Network,
  nad: NadSeen,
  registered: Registered | undefined,
  byBinding: Wiring | null,
): Iterable<Problem> {
  const subject = `its network "${network.multus?.networkName}" is a macvtap`;
  const { resource = null, master = null, queues = 1 } = nad.macvtap ?? {};
  if (resource === null && master !== null) {
    yield error(
      `${subject} without a device plugin ("master"), and no VM of KubeVirt can open its device node; offer "${master}" as a ` +
        'resource in the node policy file, and name the resource in an annotation of the NetworkAttachmentDefinition',
    );
  }
  const unfit = whyUnfit(one, registered, byBinding);
  if (unfit !== null) yield error(`${subject}, ${unfit}; ${REMEDY}`);
  if (isPrimary(network)) {
    yield doubt(
      `${subject} and the primary network, and ADD rejects "eth0" unless the node policy file has "defaultNetwork": true in $.macvtap`,
    );
  }
  const own = one.model === '' || one.model === 'virtio' ? vm.queues : null;
  if (own !== null && own > queues) {
    yield advice(
      `the VM has ${own} queues (networkInterfaceMultiqueue), but its macvtap sends all of them through ${queues}; ` +
        `write "queues": ${own} into the NetworkAttachmentDefinition`,
    );
  }
  const [volume] = vm.hotplugVolumes;
  if (volume !== undefined) {
    yield doubt(
      `${subject}, and with the hot-plugged volume "${volume}" KubeVirt removes the right to open its device node, so that the VM ` +
        `may not start (kubevirt#17392); use a network of macvlan and binding "${REGISTERED_AS['tap-secondary']}", or no hot-plugged volume`,
    );
  }
}

/** Why an interface cannot use a macvtap; null if it can, or if that is unknown. */
function whyUnfit(
  { methods, binding }: Interface,
  registered: Registered | undefined,
  byBinding: Wiring | null,
): string | null {
  const method = methods.find((name) => name !== 'binding');
  // KubeVirt before 1.3 has a binding method for it. For newer versions, another check reports it.
  if (method === 'macvtap') return null;
  if (method !== undefined) return `on which "${method}" does not work`;
  // A registration that names a NAD of a macvtap is reported there.
  if (byBinding !== null)
    return byBinding === 'macvtap' ? null : `and binding "${binding}" is for ${byBinding}`;
  if (registered === undefined) return null;
  const type = registered.plugin['domainAttachmentType'] || undefined;
  if (type === 'managedTap') return `on which binding "${binding}" ("managedTap") does not work`;
  const hasNic = type !== undefined || Boolean(registered.plugin['sidecarImage']);
  return hasNic ? null : `and binding "${binding}" gives the VM no NIC on it`;
}

/**
 * Finds a VM with the binding for macvtaps on a network that creates none: KubeVirt then opens the
 * pod's link as if it was a tap, and fails.
 */
export function problemsOfNoMacvtap(
  { binding }: Interface,
  network: Network | undefined,
  registered: Registered | undefined,
  { namespace }: Vm,
  nads: NadIndex,
): readonly Problem[] {
  const hasOwnNad = Boolean(registered?.plugin['networkAttachmentDefinition']);
  if (binding !== NAME || network === undefined || hasOwnNad) return [];
  const { pod, multus } = network;
  const nad = multus === null ? undefined : findNad(parseReference(multus.networkName), namespace, nads);
  const makesTap =
    nad === undefined || nad.wiring !== null || nad.plugins.some(({ type }) => TAPS.includes(type));
  if (!pod && (makesTap || nad.plugins.length === 0)) return [];
  const where = pod ? 'the pod network' : `network "${multus?.networkName}"`;
  const better = REGISTERED_AS[pod ? 'tap' : 'tap-secondary'];
  return [
    error(
      `binding "${NAME}" is for networks of binding "macvtap", but ${where} creates no macvtap, so the VM does not start; use binding "${better}"`,
    ),
  ];
}

/** Other CNI plugins whose link in the pod QEMU can open. */
const TAPS: readonly string[] = ['macvtap', 'tap'];
