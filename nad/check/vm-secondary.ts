import { BINDINGS } from '../bindings.ts';
import { advice, error, type Finding, findingsAt, type Problem } from './finding.ts';
import type { Wired } from './nad-config.ts';
import { wiredByBinding, wiringOfReference } from './reference.ts';
import { isPrimary, type Network, type Vm } from './vm.ts';
import type { Cluster } from './vm-bindings.ts';

/**
 * Checks that secondary networks use the bindings for secondary networks. The plugin cannot see
 * which network is primary. Without such a binding, it wires the pod's own link for a network that
 * creates no link in the pod.
 */
export function checkSecondary(vm: Vm, { registrations, nads }: Cluster): readonly Finding[] {
  const networks = new Map(vm.networks.map((network) => [network.name, network]));
  return vm.interfaces.flatMap((one, i) => {
    const network = networks.get(one.name);
    if (one.binding === null || network === undefined) return [];
    const registered = registrations.get(one.binding);
    const wired = wiredByBinding(one, registered, vm, nads);
    // If the network's own NAD runs Tapwire as well, another check reports it.
    if (wired === null || wiringOfReference(network.multus?.networkName, vm.namespace, nads) !== null)
      return [];
    const place = vm.at(`.domain.devices.interfaces[${i}].binding.name`);
    return findingsAt(place, `${vm.title}: interface "${one.name}"`, problemsOf(one.binding, wired, network));
  });
}

/**
 * Bindings for any network, with their counterparts for secondary networks only, and those for any
 * network that tell the guest the addresses of its pod.
 */
const COUNTERPARTS = [
  ['tap', 'tap-secondary', 'tap-pod-ip'],
  ['tap-mq', 'tap-secondary-mq', 'tap-pod-ip-mq'],
] as const;

function problemsOf(binding: string, { wiring, servesGuest }: Wired, network: Network): readonly Problem[] {
  for (const [any, secondary, served] of COUNTERPARTS) {
    if (wiring === secondary && isPrimary(network)) {
      return [
        error(
          `binding "${binding}" is only for secondary networks ("network": "secondary" in its NetworkAttachmentDefinition) and ` +
            `"${network.name}" is the primary network, so the pod does not start; use binding "${BINDINGS[servesGuest ? served : any].registeredAs}"`,
        ),
      ];
    }
    // The counterparts do not tell the guest anything.
    if (wiring === any && !servesGuest && network.multus !== null && !isPrimary(network)) {
      return [
        advice(
          `binding "${binding}" takes the pod's own link if network "${network.name}" creates no link in the pod; ` +
            `use binding "${BINDINGS[secondary].registeredAs}", which rejects such a network`,
        ),
      ];
    }
  }
  return [];
}
