import {
  hasAddress,
  ipv4Routes,
  ipv6Cidrs,
  ipv6Routes,
  type StaticInterface,
  type StaticRoute,
  validDomains,
} from './static-network.ts';

/**
 * Writes a cloud-init network config of version 2, as JSON, which is also YAML. Interfaces without
 * an address are left out.
 *
 * The data source NoCloud reads it; ConfigDrive needs network-data.ts.
 *
 * Source: cloud-init doc/rtd/reference/network-config-format-v2.rst
 */
export function networkConfigOf(interfaces: readonly StaticInterface[]): string {
  const ethernets = interfaces
    .filter(({ network }) => hasAddress(network))
    .map((one, index) => [`nic${index}`, ethernetOf(one)] as const);
  return `${JSON.stringify({ version: 2, ethernets: Object.fromEntries(ethernets) }, null, 2)}\n`;
}

function ethernetOf({ mac, network }: StaticInterface): object {
  const { mtu, ipv4, ipv6, nameservers } = network;
  const search = validDomains(network);
  const routes = [...(ipv4 === null ? [] : ipv4Routes(ipv4)), ...(ipv6 === null ? [] : ipv6Routes(ipv6))];
  return {
    match: { macaddress: mac },
    mtu,
    addresses: [
      ...(ipv4 === null ? [] : [`${ipv4.address}/${ipv4.prefixLength}`]),
      ...(ipv6 === null ? [] : ipv6Cidrs(ipv6)),
    ],
    // The routes say what router advertisements would, and both at once give the guest each route
    // and each address twice.
    ...(ipv6 === null || !ipv6.isDefaultRouter ? {} : { 'accept-ra': false }),
    ...(routes.length === 0 ? {} : { routes: routes.map(routeOf) }),
    ...(nameservers.length + search.length === 0 ? {} : { nameservers: dnsOf(nameservers, search) }),
  };
}

/**
 * `0.0.0.0/0` instead of `default`, which older versions of netplan and cloud-init do not know.
 * Only netplan gets `on-link` from cloud-init. With ENI, a gateway outside the subnet stays out of
 * reach, because its routes do not name the interface: such a guest needs DHCP.
 */
const routeOf = ({ destination, gateway, isOffSubnet }: StaticRoute) => ({
  to: destination,
  via: gateway,
  ...(isOffSubnet ? { 'on-link': true } : {}),
});

const dnsOf = (addresses: readonly string[], search: readonly string[]) => ({
  ...(addresses.length === 0 ? {} : { addresses }),
  ...(search.length === 0 ? {} : { search }),
});
