import { BINDINGS } from '../bindings.ts';
import { doubt, error, type Finding, findingsAt, type Problem } from './finding.ts';
import { type NadSeen, WIRES, type Wires } from './nads.ts';
import { findNad, parseReference, wiresOfReference } from './reference.ts';
import type { Registered } from './registrations.ts';
import { type Interface, isPrimary, type Network, type Vm } from './vm.ts';

/** What VMs depend on. */
export interface Cluster {
  readonly nads: readonly NadSeen[];
  readonly registrations: readonly Registered[];
  /** Whether a whole CR is there: patches of one do not say what else is registered. */
  readonly knowsAll: boolean;
}

/** Whether what a VM's interfaces name is there, within reach, and fits. */
export function checkBindings(vm: Vm, cluster: Cluster): readonly Finding[] {
  const networks = vm.networks.flatMap((network, i) => checkNetworkReach(vm, network, i, cluster));
  return [...networks, ...vm.interfaces.flatMap((one, i) => checkInterface(vm, one, i, cluster))];
}

function checkNetworkReach(
  vm: Vm,
  { name, multus }: Network,
  i: number,
  { nads }: Cluster,
): readonly Finding[] {
  if (multus === null) return [];
  const place = vm.at(`.networks[${i}].multus.networkName`);
  return findingsAt(place, `${vm.title}: network "${name}"`, reachOf(multus.networkName, vm, nads));
}

function checkInterface(vm: Vm, one: Interface, i: number, cluster: Cluster): readonly Finding[] {
  if (one.binding === null) return [];
  const place = vm.at(`.domain.devices.interfaces[${i}].binding.name`);
  const registered = cluster.registrations.find(({ name }) => name === one.binding);
  const reference = registered?.plugin['networkAttachmentDefinition'];
  const network = vm.networks.find(({ name }) => name === one.name);
  const problems = [
    ...(registered === undefined ? unregistered(one.binding, cluster) : []),
    ...(typeof reference === 'string' && reference !== '' ? reachOf(reference, vm, cluster.nads) : []),
    ...fit(vm, one, network, registered, cluster.nads),
  ];
  return findingsAt(place, `${vm.title}: interface "${one.name}"`, problems);
}

function unregistered(binding: string, { registrations, knowsAll }: Cluster): readonly Problem[] {
  if (registrations.length === 0 && !knowsAll) return [];
  const names = registrations.map(({ name }) => `"${name}"`).join(', ') || 'none';
  if (knowsAll) {
    return [
      error(
        `nobody registers binding "${binding}" with KubeVirt, so the VM never starts; registered are: ${names}`,
      ),
    ];
  }
  const text = `these files do not register binding "${binding}" with KubeVirt, but ${names}; is it registered otherwise?`;
  return [doubt(text)];
}

/** Namespaces that Multus looks into also where it isolates them, unless it is told otherwise. */
const GLOBAL_NAMESPACE = 'default';

function reachOf(text: string, { namespace }: Vm, nads: readonly NadSeen[]): readonly Problem[] {
  const reference = parseReference(text);
  const home = reference.namespace ?? namespace;
  const subject = `NetworkAttachmentDefinition "${text}"`;
  const elsewhere = nads
    .filter(({ name }) => name === reference.name)
    .map((nad) => `"${nad.namespace}/${nad.name}"`);
  if (findNad(reference, namespace, nads) === undefined && elsewhere.length > 0) {
    const text = `${subject} is looked for in namespace "${home}", and is not there; there is ${elsewhere.join(', ')}`;
    return [error(`${text}: name it with its namespace, or create one in "${home}"`)];
  }
  if (home === namespace || home === GLOBAL_NAMESPACE) return [];
  const reason = `${subject} is out of reach of namespace "${namespace}" where Multus isolates namespaces`;
  const remedy = `there, create it in "${GLOBAL_NAMESPACE}" or add "${home}" to Multus' globalNamespaces`;
  return [doubt(`${reason}; ${remedy}`)];
}

/** Whether the VM can use what is made in the pod for an interface. */
function fit(
  vm: Vm,
  one: Interface,
  network: Network | undefined,
  registered: Registered | undefined,
  nads: readonly NadSeen[],
): readonly Problem[] {
  const byBinding = wiresOfBinding(one, registered, vm, nads);
  const byNetwork = wiresOfReference(network?.multus?.networkName, vm.namespace, nads);
  if (byBinding !== null && byNetwork !== null) {
    const reason = `both its binding and its network "${network?.multus?.networkName}" run Tapwire, and the second to come fails`;
    return [error(`${reason}; leave it out of one of the NetworkAttachmentDefinitions`)];
  }
  const multus = network?.multus ?? null;
  if (multus !== null && findNad(parseReference(multus.networkName), vm.namespace, nads)?.isAlone) {
    const reason = `its network "${multus.networkName}" runs Tapwire alone, so nobody makes the link that it is to wire`;
    return [
      error(
        `${reason}; put Tapwire behind the plugin that does, or name that NetworkAttachmentDefinition in the registration`,
      ),
    ];
  }
  const wires = byBinding ?? byNetwork;
  if (wires === null) return [];
  if (wires !== 'passt') return fitOfQueues(vm, one, wires, Boolean(registered?.plugin['sidecarImage']));
  const isSecondary = network !== undefined && !isPrimary(network);
  return isSecondary ? [error('passt serves the primary network alone; use tap for this one')] : [];
}

/** What the NAD of an interface's binding wires; null: nothing of ours, or nobody knows. */
export function wiresOfBinding(
  { binding }: Interface,
  registered: Registered | undefined,
  { namespace }: Vm,
  nads: readonly NadSeen[],
): Wires | null {
  if (registered !== undefined) {
    return wiresOfReference(registered.plugin['networkAttachmentDefinition'], namespace, nads);
  }
  return WIRES.find((wires) => BINDINGS[wires].registeredAs === binding) ?? null;
}

/** A tap has one queue or takes several, and libvirt opens it in the way that the VM says. Our sidecar makes them agree. */
function fitOfQueues(
  { queues }: Vm,
  { model }: Interface,
  wires: Exclude<Wires, 'passt'>,
  hasSidecar: boolean,
): readonly Problem[] {
  if (queues === null) return [];
  const own = model === '' || model === 'virtio' ? queues : 0;
  const isMany = own > 1;
  const takesMany = wires === 'tap-mq' || wires === 'tap-secondary-mq';
  if (isMany === takesMany) return [];
  const [single, many] =
    wires === 'tap' || wires === 'tap-mq'
      ? (['tap', 'tap-mq'] as const)
      : (['tap-secondary', 'tap-secondary-mq'] as const);
  const reason = isMany
    ? `the VM asks for ${own} queues (networkInterfaceMultiqueue) and its tap has one; use binding "${BINDINGS[many].registeredAs}"`
    : `its tap takes several queues and the VM asks for one; use binding "${BINDINGS[single].registeredAs}", or ` +
      'set networkInterfaceMultiqueue with two or more vCPUs and model virtio';
  const outcome = hasSidecar
    ? 'it boots with what the sidecar makes of it'
    : 'QEMU cannot open it and the VM does not boot';
  return [(hasSidecar ? doubt : error)(`${reason}; as it is, ${outcome}`)];
}
