import { show } from '../../shared/decode.ts';
import { type Finding, failure, warning } from './finding.ts';
import { type Interface, isPrimary, type Vm } from './vm.ts';

const STATES = ['', 'absent', 'up', 'down'];

/** Link states, and unplugging a NIC: KubeVirt does so with bridges alone, and what attaches networks to a running pod trips over binding NADs. */
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
        yield failure(place, `${subject}: state ${show(state)} is not for sriov; leave it out`);
    } else if (!methods.includes('bridge')) {
      yield failure(
        place,
        `${subject} cannot be unplugged, which KubeVirt does with "bridge" alone; stop the VM and leave it out`,
      );
    } else if (name === primary) {
      yield failure(place, `${subject} is on the primary network and cannot be unplugged; leave "state" out`);
    } else if (bound !== undefined) {
      yield warning(place, `${subject}: ${hotplugHint(bound)}`);
    }
  }
}

const hotplugHint = ({ name, binding }: Interface) =>
  `plugging and unplugging may fail in a VM whose interface "${name}" has binding "${binding}" with a NetworkAttachmentDefinition: ` +
  'the controller that attaches networks to running pods stumbles over that; restart the VM instead';
