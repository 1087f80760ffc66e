import { SERVER_IPV6 } from '../../shared/guest-services.ts';
import { gatewayOf, guestAddressesOf, isLinkLocal, toldRouterOf } from '../../shared/pod-network.ts';
import { type Passage, readRecord, type TapRecord } from '../../shared/record.ts';
import { type Address, prefixOf } from '../../shared/rtnetlink/address.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import type { Neighbour } from '../../shared/rtnetlink/neighbour.ts';
import { type Route, RT_TABLE_MAIN, RTPROT_RA } from '../../shared/rtnetlink/route.ts';
import type { GuestIpv4, GuestIpv6, GuestNetwork } from './guest-network.ts';

/** The pod, as the sidecar sees it. */
export interface PodNetwork {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
  readonly nameservers: readonly string[];
  readonly searchDomains: readonly string[];
  readonly hostname: string;
}

/** What the network of a guest is, and what of it only the VMI knows. */
export type PodFacts = Omit<GuestNetwork, 'domain' | 'searchDomains' | 'options'>;

/** A tap whose guest gets the addresses of the pod. */
export interface ServedTap {
  readonly link: Link;
  /** Undefined if it is gone. */
  readonly podLink: Link | undefined;
  readonly facts: PodFacts;
}

/**
 * Maximum number of routes that a guest gets, and of its IPv6 addresses and of name servers: as
 * many as fit into a message.
 */
const MAX_ROUTES = 32;
const MAX_ADDRESSES = 16;
const MAX_NAMESERVERS = 8;

/** Returns the record of a tap that was wired for guest services; null for other links. */
export function servedRecordOf(link: Link): TapRecord | null {
  const record = readRecord(link);
  return record?.binding === 'tap' && record.passage.serves ? record : null;
}

/** Returns the taps that the CNI plugin has wired for guest services, and what their guests get. */
export const servedTapsOf = (pod: PodNetwork): readonly ServedTap[] =>
  pod.links.flatMap((link) => {
    const record = servedRecordOf(link);
    if (record === null) return [];
    const podLink = pod.links.find(({ ifname }) => ifname === record.podLink);
    return [{ link, podLink, facts: factsOf(link, podLink, record.passage, pod) }];
  });

function factsOf(tap: Link, podLink: Link | undefined, { ipv6 }: Passage, pod: PodNetwork): PodFacts {
  const { hostname } = pod;
  const nameservers = pod.nameservers.slice(0, MAX_NAMESERVERS);
  if (podLink === undefined) return { mtu: tap.mtu, hostname, nameservers, ipv4: null, ipv6: null };
  return {
    mtu: Math.min(podLink.mtu, tap.mtu),
    hostname,
    nameservers,
    ipv4: ipv4Of(podLink, pod),
    ipv6: ipv6 ? ipv6Of(podLink, tap, pod) : null,
  };
}

function ipv4Of(podLink: Link, { addresses, routes }: PodNetwork): GuestIpv4 | null {
  const candidates = guestAddressesOf(podLink, 'inet', addresses);
  const address = candidates.find(({ scope }) => scope === 'global') ?? candidates[0];
  if (address === undefined) return null;
  const own = new Set(candidates.map(prefixOf));
  return {
    address: address.local,
    prefixLength: address.prefixLength,
    routes: routesOf(podLink, 'inet', routes)
      .filter(({ destination, gateway }) => gateway !== null || !own.has(destination))
      .map(({ destination, gateway }) => ({ destination, gateway }))
      .slice(0, MAX_ROUTES),
  };
}

/** The routes over a link that the pod's own stack would use. Not those that any host can send. */
const routesOf = (link: Link, family: Route['family'], routes: readonly Route[]): readonly Route[] =>
  routes.filter(
    (route) =>
      route.link === link.ifindex &&
      route.family === family &&
      route.table === RT_TABLE_MAIN &&
      route.protocol !== RTPROT_RA,
  );

/**
 * If no router is known, the server's own address stands in for it: a guest asks for addresses only
 * after an advertisement, and never sends to a router that is not one by default.
 */
function ipv6Of(podLink: Link, tap: Link, pod: PodNetwork): GuestIpv6 | null {
  const addresses = guestAddressesOf(podLink, 'inet6', pod.addresses).slice(0, MAX_ADDRESSES);
  if (addresses.length === 0) return null;
  const routes = routesOf(podLink, 'inet6', pod.routes);
  const gateway = gatewayOf(podLink, routes);
  const router = gateway === null || isLinkLocal(gateway) ? gateway : toldRouter(tap, pod);
  const own = addresses.map(prefixOf);
  const onLink = routes.filter((route) => route.gateway === null).map(({ destination }) => destination);
  return {
    addresses: addresses.map(({ local }) => local),
    router: router ?? SERVER_IPV6,
    isDefaultRouter: router !== null,
    routes: routes
      .filter((route) => route.gateway !== null && route.gateway === gateway)
      .map(({ destination }) => destination)
      .filter((destination) => destination !== 'default' && router !== null)
      .slice(0, MAX_ROUTES),
    onLink: [...new Set([...own, ...onLink])].filter(isOfNetwork(addresses)).slice(0, MAX_ROUTES),
  };
}

const toldRouter = (tap: Link, { neighbours }: PodNetwork): string | null =>
  toldRouterOf(neighbours.filter(({ ifindex }) => ifindex === tap.ifindex))?.address ?? null;

/** Whether a prefix is more than one of these addresses, and more than what each link has. */
const isOfNetwork =
  (addresses: readonly Address[]) =>
  (prefix: string): boolean =>
    prefix !== 'default' &&
    !/^fe80:|^ff/.test(prefix) &&
    !addresses.some(({ local }) => prefix === `${local}/128`);
