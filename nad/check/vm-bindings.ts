import { doubt, error, type Finding, findingsAt, type Problem } from './finding.ts';
import { listOf } from './list.ts';
import type { NadIndex } from './nad-index.ts';
import { findNad, isReference, parseReference } from './reference.ts';
import type { Registered } from './registrations.ts';
import { fullName } from './resource.ts';
import type { Interface, Network, Vm } from './vm.ts';
import { problemsOfFit } from './vm-fit.ts';
import { problemsOfUnknownNad } from './vm-unknown-nads.ts';
import { problemsOfUnregistered } from './vm-unregistered.ts';

/** Objects that VMs depend on. */
export interface Cluster {
  readonly nads: NadIndex;
  /** Registrations by binding name. */
  readonly registrations: ReadonlyMap<string, Registered>;
  /** Whether the files contain a whole CR. Patches do not show what else is registered. */
  readonly knowsAll: boolean;
}

/** Checks that the bindings and NADs of a VM exist, that the VM can use them, and that they fit. */
export function checkBindings(vm: Vm, cluster: Cluster): readonly Finding[] {
  const networks = vm.networks.flatMap((network, i) => checkNetworkReach(vm, network, i, cluster));
  const byName = new Map(vm.networks.map((network) => [network.name, network]));
  const interfaces = vm.interfaces.flatMap((one, i) =>
    checkInterface(vm, one, i, byName.get(one.name), cluster),
  );
  return [...networks, ...interfaces];
}

function checkNetworkReach(
  vm: Vm,
  { name, multus }: Network,
  i: number,
  { nads }: Cluster,
): readonly Finding[] {
  if (multus === null) return [];
  const place = vm.at(`.networks[${i}].multus.networkName`);
  const problems = [
    ...problemsOfUnknownNad(multus.networkName, vm, nads),
    ...reachOf(multus.networkName, vm, nads),
  ];
  return findingsAt(place, `${vm.title}: network "${name}"`, problems);
}

function checkInterface(
  vm: Vm,
  one: Interface,
  i: number,
  network: Network | undefined,
  cluster: Cluster,
): readonly Finding[] {
  const [method] = one.methods;
  if (method === undefined) return [];
  const field = one.binding === null ? method : 'binding.name';
  const place = vm.at(`.domain.devices.interfaces[${i}].${field}`);
  const registered = cluster.registrations.get(one.binding ?? '');
  const reference = registered?.plugin['networkAttachmentDefinition'];
  const problems = [
    ...(registered === undefined && one.binding !== null ? problemsOfUnregistered(one.binding, cluster) : []),
    ...(typeof reference === 'string' && reference !== '' ? reachOf(reference, vm, cluster.nads) : []),
    ...problemsOfFit(vm, one, network, registered, cluster.nads),
  ];
  return findingsAt(place, `${vm.title}: interface "${one.name}"`, problems);
}

/** Namespace whose NADs all pods can use even if Multus isolates namespaces, by default. */
const GLOBAL_NAMESPACE = 'default';

function reachOf(text: string, { namespace }: Vm, nads: NadIndex): readonly Problem[] {
  if (!isReference(text)) return []; // another check reports it
  const reference = parseReference(text);
  const home = reference.namespace ?? namespace;
  const subject = `NetworkAttachmentDefinition "${text}"`;
  const elsewhere = nads.named(reference.name).map(fullName);
  if (findNad(reference, namespace, nads) === undefined && elsewhere.length > 0) {
    const text = `${subject} does not exist in namespace "${home}", only ${listOf(elsewhere)}`;
    return [error(`${text}; name it with its namespace, or create one in "${home}"`)];
  }
  if (home === namespace || home === GLOBAL_NAMESPACE) return [];
  const reason = `${subject} is not available in namespace "${namespace}" if Multus isolates namespaces`;
  const remedy = `in that case, create it in "${GLOBAL_NAMESPACE}" or add "${home}" to Multus' globalNamespaces`;
  return [doubt(`${reason}; ${remedy}`)];
}
