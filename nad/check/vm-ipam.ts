import { get } from '../../shared/json.ts';
import { type ChainPlugin, OURS } from './chain.ts';
import { advice, doubt, type Finding, findingsAt, type Problem } from './finding.ts';
import { type GuestAddresses, guestAddressesOf } from './guest-addresses.ts';
import { findNad, parseReference } from './reference.ts';
import { isPrimary, type Vm } from './vm.ts';
import type { Cluster } from './vm-bindings.ts';

/** IPAM plugins that choose an address themselves. No DHCP server knows it. */
const STATIC: ReadonlySet<unknown> = new Set(['host-local', 'static', 'whereabouts']);

/**
 * Checks that the plugins of a secondary network on a tap leave addresses to the guest. An IPAM
 * plugin gives one to the pod link, where only the pod's own IP stack would use it, unless the pod
 * tells it to the guest.
 */
export function checkIpam(vm: Vm, cluster: Cluster): readonly Finding[] {
  const interfaces = new Map(vm.interfaces.map((one) => [one.name, one]));
  return vm.networks.flatMap((network, i) => {
    const one = interfaces.get(network.name);
    if (one === undefined || network.multus === null || isPrimary(network)) return [];
    const { networkName } = network.multus;
    const guest = guestAddressesOf(vm, one, network, cluster);
    if (guest === null) return [];
    const plugins = findNad(parseReference(networkName), vm.namespace, cluster.nads)?.plugins ?? [];
    const problems = plugins.flatMap((plugin) => problemsOf(plugin, guest, networkName));
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
function problemsOf(
  { type, conf }: ChainPlugin,
  { toldBy, remedy }: GuestAddresses,
  networkName: string,
): readonly Problem[] {
  const ipam = get(conf, 'ipam', 'type');
  if (type === OURS) return [];
  const subject = `"${type}" of network "${networkName}" has ipam "${ipam}"`;
  if (ipam === 'dhcp') {
    const renewal = 'cannot renew it, because Tapwire redirects the replies to the guest';
    const and = toldBy === null ? '' : `, ${remedy},`;
    return [
      doubt(
        `${subject}: its daemon leases an address for the pod link, ${renewal}, and sets the pod link down ` +
          `when the lease expires; remove "ipam"${and} and let the guest ask for a lease`,
      ),
    ];
  }
  if (!STATIC.has(ipam) || toldBy !== null) return [];
  return [
    advice(
      `${subject}, which gives an address to the pod link, and nothing tells it to the guest; ` +
        `${remedy} for that, configure the address in the guest, or remove "ipam" and run a DHCP server on the network`,
    ),
  ];
}
