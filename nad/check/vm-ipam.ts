import { get } from '../../shared/json.ts';
import { type ChainPlugin, OURS } from './chain.ts';
import { advice, doubt, type Finding, findingsAt, type Problem } from './finding.ts';
import { findNad, parseReference, wiredByBinding, wiredByReference } from './reference.ts';
import { isPrimary, type Vm } from './vm.ts';
import type { Cluster } from './vm-bindings.ts';

/** Plugins that give their link an address only by "ipam". */
const WITHOUT_OWN: ReadonlySet<string> = new Set(['macvlan', 'bridge', 'vlan', 'host-device', 'sriov']);

/** IPAM plugins that choose an address themselves. No DHCP server knows it. */
const STATIC: ReadonlySet<unknown> = new Set(['host-local', 'static', 'whereabouts']);

/**
 * Checks that the plugins of a secondary network on a tap leave addresses to the guest. An IPAM
 * plugin gives one to the pod link, where only the pod's own IP stack would use it, unless the pod
 * tells it to the guest. Then there must be one.
 */
export function checkIpam(vm: Vm, { registrations, nads }: Cluster): readonly Finding[] {
  const interfaces = new Map(vm.interfaces.map((one) => [one.name, one]));
  return vm.networks.flatMap((network, i) => {
    const one = interfaces.get(network.name);
    if (one === undefined || network.multus === null || isPrimary(network)) return [];
    const { networkName } = network.multus;
    const registered = registrations.get(one.binding ?? '');
    const byBinding = wiredByBinding(one, registered, vm, nads);
    const byNetwork = wiredByReference(networkName, vm.namespace, nads);
    const wiring = (byBinding ?? byNetwork)?.wiring ?? null;
    const nad = findNad(parseReference(networkName), vm.namespace, nads);
    if (one.binding === null || wiring === null || wiring === 'passt' || wiring === 'macvtap') return [];
    const isTold = byBinding?.servesGuest === true || byNetwork?.servesGuest === true;
    const plugins = nad?.plugins ?? [];
    const problems = [
      ...plugins.flatMap((plugin) => problemsOf(plugin, isTold, networkName)),
      ...(isTold ? problemsWithoutIpam(plugins, networkName) : []),
    ];
    const place = vm.at(`.networks[${i}].multus.networkName`);
    return findingsAt(place, `${vm.title}: interface "${one.name}"`, problems);
  });
}

/**
 * Finds out what an IPAM plugin does to a guest.
 *
 * Source: containernetworking/plugins, plugins/ipam/dhcp/lease.go: maintain() sets the link down
 * when the lease expires, and newDHCPClient() reads replies from a packet socket for IPv4. Such a
 * socket gets a frame after the ingress filters, so it never gets a redirected one.
 */
function problemsOf({ type, conf }: ChainPlugin, isTold: boolean, networkName: string): readonly Problem[] {
  const ipam = get(conf, 'ipam', 'type');
  if (type === OURS) return [];
  const subject = `"${type}" of network "${networkName}" has ipam "${ipam}"`;
  if (ipam === 'dhcp') {
    const renewal = 'cannot renew it, because Tapwire redirects the replies to the guest';
    return [
      doubt(
        `${subject}: its daemon leases an address for the pod link, ${renewal}, and sets the pod link down ` +
          'when the lease expires; remove "ipam", and let the guest ask for a lease',
      ),
    ];
  }
  if (!STATIC.has(ipam) || isTold) return [];
  return [
    advice(
      `${subject}, which gives an address to the pod link, and nothing tells it to the guest; ` +
        'configure the address in the guest, or remove "ipam" and run a DHCP server on the network',
    ),
  ];
}

/** Finds a network that gives its link no address, so that there is none to tell the guest. */
function problemsWithoutIpam(plugins: readonly ChainPlugin[], networkName: string): readonly Problem[] {
  const [first] = plugins;
  const hasIpam = plugins.some(({ conf }) => get(conf, 'ipam', 'type') !== undefined);
  if (first === undefined || hasIpam || !WITHOUT_OWN.has(first.type)) return [];
  return [
    doubt(
      `"${first.type}" of network "${networkName}" has no ipam, so the pod has no address to tell the guest, and with ` +
        '"guestAddresses": "pod" no other server may; add "ipam", or remove the key',
    ),
  ];
}
