import { BINDINGS } from '../bindings.ts';
import { advice, error, type Finding, findingsAt, type Problem } from './finding.ts';
import type { Wiring } from './nads.ts';
import { wiringOfReference } from './reference.ts';
import { isPrimary, type Network, type Vm } from './vm.ts';
import type { Cluster } from './vm-bindings.ts';
import { wiringOfBinding } from './vm-fit.ts';

/**
 * Whether bindings of secondary networks say that they are: the plugin does not see which network is primary, and otherwise wires
 * the pod's own link for a network that makes none.
 */
export function checkSecondary(vm: Vm, { registrations, nads }: Cluster): readonly Finding[] {
  const networks = new Map(vm.networks.map((network) => [network.name, network]));
  return vm.interfaces.flatMap((one, i) => {
    const network = networks.get(one.name);
    if (one.binding === null || network === undefined) return [];
    const registered = registrations.get(one.binding);
    const wiring = wiringOfBinding(one, registered, vm, nads);
    // If the network's own NAD runs Tapwire as well, that is an error of its own.
    if (wiring === null || wiringOfReference(network.multus?.networkName, vm.namespace, nads) !== null)
      return [];
    const place = vm.at(`.domain.devices.interfaces[${i}].binding.name`);
    return findingsAt(
      place,
      `${vm.title}: interface "${one.name}"`,
      problemsOf(one.binding, wiring, network),
    );
  });
}

/** What serves any network, and what does the same for secondary ones alone. */
const COUNTERPARTS = [
  ['tap', 'tap-secondary'],
  ['tap-mq', 'tap-secondary-mq'],
] as const;

function problemsOf(binding: string, wiring: Wiring, network: Network): readonly Problem[] {
  for (const [any, secondary] of COUNTERPARTS) {
    if (wiring === secondary && isPrimary(network)) {
      return [
        error(
          `binding "${binding}" is for secondary networks alone ("network": "secondary" in its NetworkAttachmentDefinition) and ` +
            `"${network.name}" is the primary one, so the pod does not start; use binding "${BINDINGS[any].registeredAs}"`,
        ),
      ];
    }
    if (wiring === any && network.multus !== null && !isPrimary(network)) {
      return [
        advice(
          `binding "${binding}" takes the pod's own link if network "${network.name}" makes none in the pod; ` +
            `use binding "${BINDINGS[secondary].registeredAs}", which rejects that`,
        ),
      ];
    }
  }
  return [];
}
