/**
 * Frames that the services for the guest take: requests of the guest, and what foreign servers
 * send. Everything else passes.
 */
import {
  arpTarget,
  icmpv6,
  ipv4Source,
  ipv6Destination,
  ndTarget,
  udpOverIpv4,
  udpOverIpv6,
} from '../../../shared/frame-fields.ts';
import {
  bytesAt,
  type FrameProtocol,
  type FrameRule,
  joined,
  type Key,
} from '../../../shared/frame-match.ts';
import { SERVER_IPV4, SERVER_IPV6 } from '../../../shared/guest-services.ts';
import { parseAddress } from '../../../shared/rtnetlink/address.ts';

/** ICMPv6 types of neighbour discovery (RFC 4861). */
export const ROUTER_SOLICITATION = 133;
export const ROUTER_ADVERTISEMENT = 134;
export const NEIGHBOUR_SOLICITATION = 135;
export const NEIGHBOUR_ADVERTISEMENT = 136;

/** Ports of DHCPv4 and DHCPv6 (RFC 2131, RFC 8415). */
export const DHCPV4 = { server: 67, client: 68 } as const;
export const DHCPV6 = { server: 547, client: 546 } as const;

const SERVER_MULTICAST = parseAddress('ff02::1:2');
const ALL_ROUTERS = parseAddress('ff02::2');
const [IPV4, IPV6] = [parseAddress(SERVER_IPV4), parseAddress(SERVER_IPV6)];

/** A rule that `tapwire inspect` names and counts. */
export interface ServiceRule extends FrameRule {
  /** The frames, in words. */
  readonly what: string;
  /** Whether the kernel remembers the sender as a neighbour. */
  readonly isLearned: boolean;
  /** Whether frames to any MAC are meant: many guests send to the server by their gateway. */
  readonly isForAnyMac: boolean;
}

const rule = (
  what: string,
  protocol: FrameProtocol,
  verdict: FrameRule['verdict'],
  ...keys: readonly (readonly Key[])[]
): ServiceRule => ({
  what,
  match: { protocol, keys: joined(...keys) },
  verdict,
  isLearned: false,
  isForAnyMac: false,
});

const learned = (one: ServiceRule): ServiceRule => ({ ...one, isLearned: true });
const forAnyMac = (one: ServiceRule): ServiceRule => ({ ...one, isForAnyMac: true });

/**
 * What the tap's own stack gets: DHCP, router solicitations, and how the guest finds the servers.
 * Nothing else that the guest sends to the servers' addresses reaches the pod: a program in the pod
 * may listen on all addresses.
 */
export const EXCEPTIONS: readonly ServiceRule[] = [
  forAnyMac(rule('DHCPv4 requests', 'ip', 'up', udpOverIpv4(DHCPV4.client, DHCPV4.server))),
  learned(rule('ARP for the server', 'arp', 'up', arpTarget(IPV4))),
  rule('DHCPv6 requests', 'ipv6', 'up', udpOverIpv6(null, DHCPV6.server), ipv6Destination(SERVER_MULTICAST)),
  rule('router solicitations', 'ipv6', 'up', icmpv6(ROUTER_SOLICITATION), ipv6Destination(ALL_ROUTERS)),
  learned(rule('neighbour solicitations', 'ipv6', 'up', icmpv6(NEIGHBOUR_SOLICITATION), ndTarget(IPV6))),
  rule('neighbour advertisements', 'ipv6', 'up', icmpv6(NEIGHBOUR_ADVERTISEMENT), ipv6Destination(IPV6)),
];

/** Requests that no server here answers, and no other server may. */
const UNANSWERED: readonly ServiceRule[] = [
  rule('DHCPv6 requests', 'ipv6', 'drop', udpOverIpv6(DHCPV6.client, DHCPV6.server)),
  rule('router solicitations', 'ipv6', 'drop', icmpv6(ROUTER_SOLICITATION)),
];

/** The option for experiments (RFC 4727) with which the sidecar's router advertisements begin. */
const SIDECARS = bytesAt(56, [253, 3]);

/**
 * What the servers send to everybody. The kernel returns a copy to the ingress of the tap, without
 * an Ethernet header, so that the network would take other bytes for MACs.
 */
const RETURNED: readonly ServiceRule[] = [
  rule("copies of the server's answers", 'ip', 'drop', ipv4Source(IPV4)),
  rule('copies of router advertisements', 'ipv6', 'drop', icmpv6(ROUTER_ADVERTISEMENT), SIDECARS),
];

/** At the ingress of a tap that serves its guest. */
export const SERVICE_RULES: readonly FrameRule[] = [...EXCEPTIONS, ...UNANSWERED, ...RETURNED];

/**
 * At the ingress of its pod link: what foreign servers send to clients. A guest takes a default
 * route from any router that advertises itself.
 */
export const ISOLATION_RULES: readonly ServiceRule[] = [
  rule('DHCPv4', 'ip', 'drop', udpOverIpv4(null, DHCPV4.client)),
  rule('DHCPv6', 'ipv6', 'drop', udpOverIpv6(null, DHCPV6.client)),
  rule('router advertisements', 'ipv6', 'drop', icmpv6(ROUTER_ADVERTISEMENT)),
];
