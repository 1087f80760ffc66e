import { show } from '../../shared/decode.ts';
import { get } from '../../shared/json.ts';
import { RESOURCE_ANNOTATION } from '../generate/nad.ts';
import { INJECTION_GATE, INJECTION_ON_SINCE, INJECTION_SINCE, type Minor } from '../kubevirt-versions.ts';
import { OURS } from './chain.ts';
import { knowsGates, listsGate, patchesGate } from './feature-gates.ts';
import { type Finding, warning } from './finding.ts';
import { resourceOf } from './macvtap-nad.ts';
import type { NadIndex } from './nad-index.ts';
import { findNad, parseReference } from './reference.ts';
import type { Registered } from './registrations.ts';
import { fullName, pathTo, type Resource } from './resource.ts';
import type { Vm } from './vm.ts';

const INJECTOR = 'network-resources-injector';

/**
 * Finds NADs that ask for a device of a device plugin, if KubeVirt no longer requests the device
 * for the pod. The pod then starts without a device, and its network plugin gets an empty device
 * id.
 *
 * @param nads NADs that VMs use
 * @param resources all objects, among them perhaps the KubeVirt CR and the webhook that requests
 * the devices
 */
export function checkResourceNames(
  nads: readonly Resource[],
  resources: readonly Resource[],
  minor: Minor,
): readonly Finding[] {
  if (!isInjectionExternal(resources, minor)) return [];
  if (resources.some(bringsInjector)) return [];
  return nads.flatMap((nad) => {
    const device = resourceOf(nad);
    if (device === null) return [];
    const reason = `KubeVirt 1.${minor} does not request device ${show(device)} for VMs (feature gate ${INJECTION_GATE})`;
    const remedy = `install ${INJECTOR}, or add the gate to disabledFeatureGates in the KubeVirt CR`;
    const message = `NetworkAttachmentDefinition "${fullName(nad)}": ${reason}; ${remedy}`;
    return [warning(nad.at(pathTo('$.metadata.annotations', RESOURCE_ANNOTATION)), message)];
  });
}

/** Whether an object is the injector itself, or configures the operator that installs it. */
const bringsInjector = ({ kind, name, value }: Resource): boolean =>
  name.includes(INJECTOR) ||
  (kind === 'SriovOperatorConfig' && get(value, 'spec', 'enableInjector') === true);

/**
 * Returns a test of whether VMs use a NAD: a network or a registration names it, or it runs
 * Tapwire.
 */
export function usedNads(
  nads: NadIndex,
  registrations: readonly Registered[],
  vms: readonly Vm[],
): (nad: Resource) => boolean {
  const ofNetworks = vms.flatMap(({ namespace, networks }) =>
    networks.flatMap(({ multus }) =>
      multus === null ? [] : (findNad(parseReference(multus.networkName), namespace, nads) ?? []),
    ),
  );
  const ofBindings = registrations.flatMap(({ plugin }) => {
    const { namespace, name } = parseReference(String(plugin['networkAttachmentDefinition'] ?? ''));
    return namespace === null ? nads.named(name) : (nads.find(namespace, name) ?? []);
  });
  const used = new Set([...ofNetworks, ...ofBindings].map(fullName));
  return (nad) =>
    used.has(fullName(nad)) ||
    nads.find(nad.namespace, nad.name)?.plugins.some(({ type }) => type === OURS) === true;
}

/**
 * Whether KubeVirt leaves device requests to a webhook.
 *
 * Source: kubevirt pkg/virt-config/featuregate, IsEnabled
 */
function isInjectionExternal(resources: readonly Resource[], minor: Minor): boolean {
  if (minor < INJECTION_SINCE) return false;
  const says = (list: 'featureGates' | 'disabledFeatureGates') =>
    resources.some(
      (one) =>
        (knowsGates(one) && listsGate(one, list, INJECTION_GATE)) || patchesGate(one, list, INJECTION_GATE),
    );
  if (says('featureGates')) return true;
  return minor >= INJECTION_ON_SINCE && !says('disabledFeatureGates');
}
