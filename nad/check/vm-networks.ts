import { INTERFACE_FIELD_SINCE, type Minor, NETWORK_FIELD_SINCE } from '../kubevirt.ts';
import { type Finding, failure, warning } from './finding.ts';
import { type Interface, isPrimary, type Vm } from './vm.ts';

/**
 * What KubeVirt refuses of a VM's networks and interfaces, when it is created.
 *
 * Source: kubevirt pkg/network/admitter, and pkg/virt-api before 1.3
 */
export function checkNetworks(vm: Vm, minor: Minor): readonly Finding[] {
  return [
    ...checkNames(vm),
    ...checkSources(vm),
    ...checkMethods(vm, minor),
    ...checkFields(vm, minor),
    ...checkStates(vm),
  ];
}

const path = (i: number) => `.domain.devices.interfaces[${i}]`;

function* checkNames({ title, interfaces, networks, at }: Vm): Iterable<Finding> {
  const names = { interface: namesOf(interfaces), network: namesOf(networks) };
  for (const { i, name, isRepeated } of eachName(interfaces)) {
    const subject = `${title}: interface "${name}"`;
    const place = at(`${path(i)}.name`);
    if (isRepeated) yield failure(place, `${subject} is there twice; a network has one interface`);
    else if (!names.network.has(name)) {
      yield failure(
        place,
        `${subject} has no network of that name; add it to "networks", or leave the interface out`,
      );
    }
  }
  for (const { i, name, isRepeated } of eachName(networks)) {
    const subject = `${title}: network "${name}"`;
    const place = at(`.networks[${i}].name`);
    if (isRepeated) yield failure(place, `${subject} is there twice; give each a name of its own`);
    else if (!names.interface.has(name)) {
      yield failure(
        place,
        `${subject} has no interface of that name; add it to "interfaces", or leave the network out`,
      );
    }
  }
}

interface Named {
  readonly name: string;
}

const namesOf = (list: readonly Named[]): ReadonlySet<string> => new Set(list.map(({ name }) => name));

function* eachName(list: readonly Named[]) {
  const before = new Set<string>();
  for (const [i, { name }] of list.entries()) {
    yield { i, name, isRepeated: before.has(name) };
    before.add(name);
  }
}

function* checkSources({ title, networks, at }: Vm): Iterable<Finding> {
  for (const [i, { name, pod, multus, resourceClaim }] of networks.entries()) {
    if ([pod, multus !== null, resourceClaim].filter(Boolean).length !== 1) {
      const message = `${title}: network "${name}" wants exactly one of "pod", "multus" and "resourceClaim"`;
      yield failure(at(`.networks[${i}]`), message);
    }
  }
  const [first, second] = networks.filter(isPrimary);
  if (first === undefined || second === undefined) return;
  const message = `${title}: networks "${first.name}" and "${second.name}" are both primary, and a pod has one such; make one secondary`;
  yield failure(at(`.networks[${networks.indexOf(second)}]`), message);
}

/** Binding methods that were withdrawn, and what does the same. */
const WITHDRAWN: Readonly<Record<string, string>> = {
  slirp: 'binding "tapwire-slirp"',
  passt: 'binding "tapwire-passt"',
  macvtap: 'a binding plugin for macvtap',
};
const WITHDRAWN_SINCE: Minor = 3;

function* checkMethods({ title, interfaces, at }: Vm, minor: Minor): Iterable<Finding> {
  for (const [i, { name, methods }] of interfaces.entries()) {
    const subject = `${title}: interface "${name}"`;
    const withdrawn = methods.find((method) => Object.hasOwn(WITHDRAWN, method));
    if (methods.length !== 1) {
      const has = methods.length === 0 ? 'none' : methods.map((method) => `"${method}"`).join(' and ');
      const want = 'wants exactly one of bridge, masquerade, sriov, passtBinding and binding';
      yield failure(at(path(i)), `${subject} ${want}, and has ${has}`);
    } else if (withdrawn !== undefined && minor >= WITHDRAWN_SINCE) {
      const remedy = `use ${WITHDRAWN[withdrawn]}`;
      yield failure(
        at(`${path(i)}.${withdrawn}`),
        `${subject}: KubeVirt 1.${minor} has no "${withdrawn}" any more; ${remedy}`,
      );
    }
  }
}

/** What KubeVirt drops without a word, and so makes another VM of it. */
function* checkFields({ title, interfaces, networks, at }: Vm, minor: Minor): Iterable<Finding> {
  const drops = (field: string, since: Minor) =>
    `KubeVirt 1.${minor} drops "${field}" without a word: that came with 1.${since}`;
  for (const [field, since] of Object.entries(INTERFACE_FIELD_SINCE)) {
    if (since <= minor) continue;
    for (const [i, { name, keys }] of interfaces.entries()) {
      const message = `${title}: interface "${name}": ${drops(field, since)}`;
      if (keys.includes(field)) yield failure(at(`${path(i)}.${field}`), message);
    }
  }
  for (const [i, { name, resourceClaim }] of networks.entries()) {
    const since = NETWORK_FIELD_SINCE.resourceClaim;
    const message = `${title}: network "${name}": ${drops('resourceClaim', since)}`;
    if (resourceClaim && since > minor) yield failure(at(`.networks[${i}].resourceClaim`), message);
  }
}

/** Unplugging a NIC: KubeVirt does so with bridges alone, and what attaches networks to a running pod trips over binding NADs. */
function* checkStates({ title, interfaces, at }: Vm): Iterable<Finding> {
  const bound = interfaces.find(({ binding }) => binding !== null);
  for (const [i, one] of interfaces.entries()) {
    if (one.state !== 'absent') continue;
    const place = at(`${path(i)}.state`);
    const subject = `${title}: interface "${one.name}"`;
    if (!one.methods.includes('bridge')) {
      yield failure(
        place,
        `${subject} cannot be unplugged, which KubeVirt does with "bridge" alone; stop the VM and leave it out`,
      );
    } else if (bound !== undefined) {
      yield warning(place, `${subject}: ${hotplugHint(bound)}`);
    }
  }
}

const hotplugHint = ({ name, binding }: Interface) =>
  `plugging and unplugging may fail in a VM whose interface "${name}" has binding "${binding}" with a NetworkAttachmentDefinition: ` +
  'the controller that attaches networks to running pods stumbles over that; restart the VM instead';
