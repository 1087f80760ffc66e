import { show } from '../../shared/decode.ts';
import { type Finding, failure, warning } from './finding.ts';
import { type Interface, isPrimary, type Vm } from './vm.ts';

const STATES = ['', 'absent', 'up', 'down'];

/**
 * Checks link states and unplugging. KubeVirt unplugs only interfaces with `bridge`, and the
 * controller that attaches networks to running pods fails on NADs of bindings.
 */
export function* checkStates({ title, interfaces, networks, at }: Vm): Iterable<Finding> {
  const bound = interfaces.find(({ binding }) => binding !== null);
  const primary = networks.find(isPrimary)?.name;
  for (const [i, one] of interfaces.entries()) {
    const { state, methods, name } = one;
    if (state === '') continue;
    const place = at(`.domain.devices.interfaces[${i}].state`);
    const subject = `${title}: interface "${name}"`;
    if (!STATES.includes(state)) {
      yield failure(place, `${subject}: state ${show(state)} is rejected; want "up", "down" or "absent"`);
    } else if (state !== 'absent') {
      if (methods.includes('sriov'))
        yield failure(place, `${subject}: state ${show(state)} is not for sriov; remove it`);
    } else if (!methods.includes('bridge')) {
      yield failure(
        place,
        `${subject} cannot be unplugged, because KubeVirt unplugs only "bridge"; stop the VM and remove the interface`,
      );
    } else if (name === primary) {
      yield failure(place, `${subject} is on the primary network and cannot be unplugged; remove "state"`);
    } else if (bound !== undefined) {
      yield warning(place, `${subject}: ${hotplugHint(bound)}`);
    }
  }
}

const hotplugHint = ({ name, binding }: Interface) =>
  `unplugging may fail, because interface "${name}" has binding "${binding}", and the controller that attaches networks to ` +
  'running pods cannot handle the NetworkAttachmentDefinition of a binding; restart the VM instead';
