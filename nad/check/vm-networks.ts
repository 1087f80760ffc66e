import { INTERFACE_FIELD_SINCE, type Minor, NETWORK_FIELD_SINCE } from '../kubevirt-versions.ts';
import { type Finding, failure } from './finding.ts';
import { checkInterfaceFields } from './interface-fields.ts';
import { checkInterfaceServices } from './interface-services.ts';
import { isReference } from './reference.ts';
import { isPrimary, type Vm } from './vm.ts';
import { checkClaims } from './vm-claims.ts';
import { checkMethods } from './vm-methods.ts';
import { checkStates } from './vm-states.ts';

/**
 * Finds mistakes in a VM's networks and interfaces that KubeVirt rejects when the VM is created.
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
    ...checkInterfaceFields(vm),
    ...checkInterfaceServices(vm),
    ...(minor >= NETWORK_FIELD_SINCE.resourceClaim ? checkClaims(vm) : []),
  ];
}

const path = (i: number) => `.domain.devices.interfaces[${i}]`;

function* checkNames({ title, interfaces, networks, at }: Vm): Iterable<Finding> {
  const names = { interface: namesOf(interfaces), network: namesOf(networks) };
  for (const { i, name, isRepeated } of eachName(interfaces)) {
    const subject = `${title}: interface "${name}"`;
    const place = at(`${path(i)}.name`);
    if (isRepeated) yield failure(place, `${subject} appears twice; a network has one interface`);
    else if (!names.network.has(name)) {
      yield failure(
        place,
        `${subject} has no network of that name; add it to "networks", or remove the interface`,
      );
    }
  }
  for (const { i, name, isRepeated } of eachName(networks)) {
    const subject = `${title}: network "${name}"`;
    const place = at(`.networks[${i}].name`);
    if (isRepeated) yield failure(place, `${subject} appears twice; give each its own name`);
    else if (!names.interface.has(name)) {
      yield failure(
        place,
        `${subject} has no interface of that name; add it to "interfaces", or remove the network`,
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
    if ([pod, multus !== null, resourceClaim !== null].filter(Boolean).length !== 1) {
      const message = `${title}: network "${name}" needs exactly one of "pod", "multus" and "resourceClaim"`;
      yield failure(at(`.networks[${i}]`), message);
    }
    if (multus !== null && !isReference(multus.networkName)) {
      const message = `${title}: network "${name}": networkName "${multus.networkName}" is not a valid name; want "NAMESPACE/NAME" or "NAME"`;
      yield failure(at(`.networks[${i}].multus.networkName`), message);
    }
  }
  const [first, second] = networks.filter(isPrimary);
  if (first === undefined || second === undefined) return;
  const message = `${title}: networks "${first.name}" and "${second.name}" are both primary, but a pod has only one primary network; make one secondary`;
  yield failure(at(`.networks[${networks.indexOf(second)}]`), message);
}

/** Finds fields that KubeVirt silently drops, so that the VM is not what its author meant. */
function* checkFields({ title, interfaces, networks, at }: Vm, minor: Minor): Iterable<Finding> {
  const drops = (field: string, since: Minor) =>
    `KubeVirt 1.${minor} silently drops "${field}": it came with 1.${since}`;
  for (const [field, since] of Object.entries(INTERFACE_FIELD_SINCE)) {
    if (since <= minor) continue;
    for (const [i, { name, fields }] of interfaces.entries()) {
      const message = `${title}: interface "${name}": ${drops(field, since)}`;
      if (Object.hasOwn(fields, field)) yield failure(at(`${path(i)}.${field}`), message);
    }
  }
  for (const [i, { name, resourceClaim }] of networks.entries()) {
    const since = NETWORK_FIELD_SINCE.resourceClaim;
    const message = `${title}: network "${name}": ${drops('resourceClaim', since)}`;
    if (resourceClaim !== null && since > minor) yield failure(at(`.networks[${i}].resourceClaim`), message);
  }
}
