import { BlockList, isIPv6 } from 'node:net';
import { encodeDomain } from '../domain-name.ts';
import type { GuestIpv4, GuestIpv6, GuestNetwork } from '../guest-network.ts';

/** An interface whose network a guest configures from cloud-init data. */
export interface StaticInterface {
  readonly mac: string;
  readonly network: GuestNetwork;
}

export interface StaticRoute {
  /** In CIDR form; `0.0.0.0/0` or `::/0` for all destinations. */
  readonly destination: string;
  /** `0.0.0.0` if the destination is on the link. */
  readonly gateway: string;
  /** Whether the gateway is on the link, but outside the subnet of the address. */
  readonly isOffSubnet: boolean;
}

/**
 * The gateway of a route to the link itself. NetworkManager, systemd-networkd, the kernel and
 * Windows take it for none. A route without the key would be plainer, but several renderers of
 * cloud-init (sysconfig, ENI, NetworkManager before 24.1) fail on it, and then the guest has no
 * network at all.
 */
const ON_LINK = '0.0.0.0';

/**
 * Returns the routes of IPv4, with a route to each gateway outside the subnet: most renderers
 * cannot say in the route itself that its gateway is on the link.
 */
export function ipv4Routes({ address, prefixLength, routes }: GuestIpv4): readonly StaticRoute[] {
  const subnet = `${address}/${prefixLength}`;
  const own = routes.map(({ destination, gateway }) => ({
    destination: destination === 'default' ? '0.0.0.0/0' : destination,
    gateway: gateway ?? ON_LINK,
    isOffSubnet: gateway !== null && !contains(subnet, gateway),
  }));
  const onLink = own.filter(({ gateway }) => gateway === ON_LINK).map(({ destination }) => destination);
  const gateways = new Set(own.filter((route) => route.isOffSubnet).map(({ gateway }) => gateway));
  const missing = [...gateways].filter((gateway) => !onLink.some((cidr) => contains(cidr, gateway)));
  return [
    ...missing.map((gateway) => ({ destination: `${gateway}/32`, gateway: ON_LINK, isOffSubnet: false })),
    ...own,
  ];
}

/** Returns the routes through the router. */
export function ipv6Routes({ router, isDefaultRouter, routes }: GuestIpv6): readonly StaticRoute[] {
  return [...(isDefaultRouter ? ['::/0'] : []), ...routes].map((destination) => ({
    destination,
    gateway: router,
    isOffSubnet: false, // A link-local address is always on the link.
  }));
}

/**
 * Returns the addresses in CIDR form, each with the length of the longest on-link prefix that
 * contains it, so that the guest's kernel adds the route to this prefix; `/128` without one. Other
 * on-link prefixes are reached through the router.
 */
export function ipv6Cidrs({ addresses, onLink }: GuestIpv6): readonly string[] {
  return addresses.map((address) => {
    const lengths = onLink.filter((prefix) => contains(prefix, address)).map(lengthOf);
    return `${address}/${lengths.length === 0 ? 128 : Math.max(...lengths)}`;
  });
}

/** Returns the search domains that are domain names. */
export const validDomains = (network: GuestNetwork): readonly string[] =>
  network.searchDomains.filter((domain) => encodeDomain(domain) !== null);

export const hasAddress = ({ ipv4, ipv6 }: GuestNetwork): boolean => ipv4 !== null || ipv6 !== null;

export const lengthOf = (cidr: string): number => Number(cidr.slice(cidr.indexOf('/') + 1));

function contains(cidr: string, address: string): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  const subnet = new BlockList();
  subnet.addSubnet(cidr.slice(0, cidr.indexOf('/')), lengthOf(cidr), family);
  return subnet.check(address, family);
}
