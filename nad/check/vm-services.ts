import { get } from '../../shared/json.ts';
import type { ChainPlugin } from './chain.ts';
import { advice, doubt, error, type Finding, findingsAt, type Problem } from './finding.ts';
import { guestAddressesOf } from './guest-addresses.ts';
import { findNad, parseReference } from './reference.ts';
import type { Interface, Network, Vm } from './vm.ts';
import type { Cluster } from './vm-bindings.ts';

/**
 * Checks the networks of guests that their pod tells its addresses: the pod must have some, no
 * other server may be meant to serve the guest, because its replies are dropped, and a sidecar must
 * be there.
 */
export function checkVmServices(vm: Vm, cluster: Cluster): readonly Finding[] {
  const interfaces = new Map(vm.interfaces.map((one) => [one.name, one]));
  return vm.networks.flatMap((network, i) => {
    const one = interfaces.get(network.name);
    const guest = one === undefined ? null : guestAddressesOf(vm, one, network, cluster);
    if (one === undefined || guest === null || guest.toldBy === null) return [];
    const place = vm.at(network.multus === null ? `.networks[${i}]` : `.networks[${i}].multus.networkName`);
    return findingsAt(place, `${vm.title}: interface "${one.name}"`, [
      ...problemsOfNetwork(network, vm, cluster, guest.remedy),
      ...(guest.toldBy === 'network' ? problemsWithoutSidecar(one, vm, cluster) : []),
    ]);
  });
}

/**
 * Annotation with which OVN-Kubernetes gives the pod link of the default network no address.
 *
 * Source: ovn-kubernetes go-controller/pkg/kubevirt
 */
const OVN_SERVES = 'kubevirt.io/allow-pod-bridge-network-live-migration';

function problemsOfNetwork(
  { pod, multus }: Network,
  vm: Vm,
  { nads }: Cluster,
  remedy: string,
): readonly Problem[] {
  if (multus !== null) {
    const { networkName } = multus;
    const plugins = findNad(parseReference(networkName), vm.namespace, nads)?.plugins ?? [];
    const subject = `of network "${networkName}"`;
    return [...problemsWithoutIpam(plugins, subject, remedy), ...problemsOfServer(plugins, subject, remedy)];
  }
  if (!pod) return [];
  if (vm.annotations[OVN_SERVES] !== undefined) {
    const reason = `its annotation "${OVN_SERVES}" makes OVN-Kubernetes leave the pod without addresses and serve the guest itself`;
    return [doubt(`${reason}, but ${KEPT}; ${remedy}, or remove the annotation`)];
  }
  const { name, plugins = [] } = nads.primaryIn(vm.namespace) ?? {};
  return problemsOfServer(plugins, `of "${name}", the primary network of its namespace,`, remedy);
}

const OVN = 'ovn-k8s-cni-overlay';
const KUBE_OVN = 'kube-ovn';
const KEPT = '"guestAddresses": "pod" keeps its replies from the guest';

/** Finds a network that serves DHCP itself. */
function problemsOfServer(
  plugins: readonly ChainPlugin[],
  subject: string,
  remedy: string,
): readonly Problem[] {
  // A network of layer 3 gives each pod an address as Calico does, and serves nothing.
  if (plugins.some(({ type, conf }) => type === OVN && conf['topology'] !== 'layer3' && conf['subnets'])) {
    const reason = `"${OVN}" ${subject} serves the guest itself, and moves its address with the VM`;
    return [doubt(`${reason}, but ${KEPT}; ${remedy}`)];
  }
  if (!plugins.some(({ type }) => type === KUBE_OVN)) return [];
  const condition = `if the subnet of "${KUBE_OVN}" ${subject} has enableDHCP`;
  return [advice(`${condition}, Kube-OVN serves the guest itself, but ${KEPT}; in that case, ${remedy}`)];
}

/** Plugins that give their link an address only by "ipam", or by another key. */
const ADDRESSES_BY: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['macvlan', 'bridge', 'vlan', 'host-device', 'sriov'].map((type) => [type, 'ipam'] as const),
  ),
  [OVN]: 'subnets',
};

/** Finds a network that gives its link no address, so that there is none to tell the guest. */
function problemsWithoutIpam(
  plugins: readonly ChainPlugin[],
  subject: string,
  remedy: string,
): readonly Problem[] {
  const [first] = plugins;
  const hasIpam = plugins.some(({ conf }) => get(conf, 'ipam', 'type') !== undefined);
  if (first === undefined || hasIpam || !Object.hasOwn(ADDRESSES_BY, first.type)) return [];
  const key = ADDRESSES_BY[first.type] ?? '';
  if (key !== 'ipam' && first.conf[key]) return [];
  return [
    doubt(
      `"${first.type}" ${subject} has no ${key}, so the pod has no address to tell the guest, and with ` +
        `"guestAddresses": "pod" no other server may; add "${key}", or ${remedy}`,
    ),
  ];
}

/** A network's own NAD cannot name a sidecar. Any registration of the VM's bindings can. */
function problemsWithoutSidecar(
  { binding }: Interface,
  vm: Vm,
  { registrations }: Cluster,
): readonly Problem[] {
  const all = vm.interfaces.flatMap((one) => (one.binding === null ? [] : [registrations.get(one.binding)]));
  // A registration that the files lack may have one.
  if (all.some((one) => one === undefined || Boolean(one.plugin['sidecarImage']))) return [];
  return [
    error(
      `its network has "guestAddresses": "pod", but binding "${binding}" has no sidecar that tells the guest its addresses; ` +
        "write sidecarImage into the registration, with Tapwire's image",
    ),
  ];
}
