import type { GuestIpv4, GuestIpv6 } from '../guest-network.ts';
import {
  hasAddress,
  ipv4Routes,
  ipv6Cidrs,
  ipv6Routes,
  lengthOf,
  type StaticInterface,
  type StaticRoute,
  validDomains,
} from './static-network.ts';

/**
 * Writes `network_data.json` in the format of OpenStack, the only one that cloud-init's data source
 * ConfigDrive reads: it takes a network config of version 2 for an empty one, and the guest then
 * has no network. Interfaces without an address are left out.
 *
 * Source: OpenStack nova doc/api_schemas/network_data.json; cloud-init
 *   cloudinit/sources/helpers/openstack.py, convert_net_json
 */
export function networkDataOf(interfaces: readonly StaticInterface[]): string {
  const nics = interfaces
    .filter(({ network }) => hasAddress(network))
    .map((one, index) => ({ ...one, id: `nic${index}` }));
  const links = nics.map(({ id, mac, network }) => ({
    id,
    type: 'phy',
    ethernet_mac_address: mac,
    mtu: network.mtu,
  }));
  const networks = nics.flatMap(networksOf);
  return `${JSON.stringify({ links, networks, services: [] }, null, 2)}\n`;
}

/** Returns a network for each address. The first has the link's DNS. */
function networksOf({ id, network }: StaticInterface & { readonly id: string }): object[] {
  const { ipv4, ipv6, nameservers } = network;
  const search = validDomains(network);
  const dns = {
    services: nameservers.map((address) => ({ type: 'dns', address })),
    // Not in OpenStack's schema, but cloud-init reads it.
    ...(search.length === 0 ? {} : { dns_search: search }),
  };
  return [...(ipv4 === null ? [] : [ipv4Network(ipv4)]), ...(ipv6 === null ? [] : ipv6Networks(ipv6))].map(
    (one, index) => ({ id: `${id}-${index}`, link: id, ...one, ...(index === 0 ? dns : {}) }),
  );
}

/**
 * A default route through a gateway outside the subnet becomes the key `gateway`: cloud-init then
 * says that the gateway is on the link, which the route itself cannot.
 */
function ipv4Network(ipv4: GuestIpv4): object {
  const routes = ipv4Routes(ipv4);
  const offSubnet = routes.find((route) => route.isOffSubnet && lengthOf(route.destination) === 0);
  return {
    type: 'ipv4',
    ip_address: ipv4.address,
    netmask: ipv4Mask(ipv4.prefixLength),
    ...(offSubnet === undefined ? {} : { gateway: offSubnet.gateway }),
    routes: routes.filter((route) => route !== offSubnet).map((route) => routeOf(route, ipv4Mask)),
  };
}

function ipv6Networks(ipv6: GuestIpv6): object[] {
  const routes = ipv6Routes(ipv6).map((route) => routeOf(route, ipv6Mask));
  return ipv6Cidrs(ipv6).map((cidr, index) => ({
    type: 'ipv6',
    ip_address: cidr,
    routes: index === 0 ? routes : [],
  }));
}

function routeOf({ destination, gateway }: StaticRoute, maskOf: (length: number) => string) {
  const network = destination.slice(0, destination.indexOf('/'));
  return { network, netmask: maskOf(lengthOf(destination)), gateway };
}

const ipv4Mask = (length: number): string =>
  [0, 8, 16, 24].map((start) => 256 - 2 ** (8 - Math.min(Math.max(length - start, 0), 8))).join('.');

/** Groups of four digits, without compression. */
const ipv6Mask = (length: number): string =>
  Array.from({ length: 8 }, (_, group) => {
    const bits = Math.min(Math.max(length - group * 16, 0), 16);
    return (2 ** 16 - 2 ** (16 - bits)).toString(16);
  }).join(':');
