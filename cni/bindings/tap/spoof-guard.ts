/**
 * Frames that a guest may send under a spoof guard. The last rule drops what no rule lets pass.
 *
 * Source: RFC 826, RFC 4861, RFC 3810 (MLD), RFC 6980 and RFC 7113 (how advertisements hide)
 */
import {
  ARP_OF_IPV4,
  arpSender,
  arpSenderMac,
  ICMPV6,
  icmpv6,
  ipv4Source,
  ipv6Source,
  ndTarget,
  nextHeader,
  UDP,
  UDP_WITH_OPTIONS,
  udpOverIpv4,
  udpOverIpv6,
  udpPorts,
} from '../../../shared/frame-fields.ts';
import {
  bytesAt,
  type FrameProtocol,
  type FrameRule,
  joined,
  type Key,
  sourceMac,
} from '../../../shared/frame-match.ts';
import { macBytes } from '../../../shared/mac.ts';
import type { SpoofGuard } from '../../../shared/record.ts';
import { parseAddress } from '../../../shared/rtnetlink/address.ts';
import type { GuestFacts } from './guest-facts.ts';
import {
  DHCPV4,
  DHCPV6,
  NEIGHBOUR_ADVERTISEMENT,
  NEIGHBOUR_SOLICITATION,
  ROUTER_ADVERTISEMENT,
} from './service-rules.ts';

const REDIRECT = 137;
const MLD = [131, 132, 143]; // reports of both versions, and "done"
const [HOP_BY_HOP, FRAGMENT] = [0, 44];
/**
 * Extension headers behind which a receiver looks for the next one (IANA's registry of IPv6
 * extension headers), without fragments, which have a rule of their own, and ESP, which hides all.
 */
const EXTENSIONS = [HOP_BY_HOP, 43, 51, 60, 135, 139, 140, 253, 254];

const UNSPECIFIED = parseAddress('::');
/** The bytes of fe80::/64. The guest may choose its link-local addresses. */
const LINK_LOCAL = parseAddress('fe80::').subarray(0, 8);

const drop = (protocol: FrameProtocol, ...keys: readonly (readonly Key[])[]): FrameRule => ({
  match: { protocol, keys: joined(...keys) },
  verdict: 'drop',
});

/** Rules at the ingress of the tap, after those of the services. Pure. */
export function guardRules(guard: SpoofGuard, mac: string, guest: GuestFacts): readonly FrameRule[] {
  if (guard === 'off') return [];
  const source = sourceMac(macBytes(mac));
  const pass = (protocol: FrameProtocol, ...keys: readonly (readonly Key[])[]): FrameRule => ({
    match: { protocol, keys: joined(...keys, source) },
    verdict: 'pass',
  });
  if (guard === 'mac') return [pass('all'), drop('all')];

  const router = guest.router === null ? [] : [parseAddress(guest.router.address)];
  const [ipv4, ipv6] = [guest.ipv4.map(parseAddress), guest.ipv6.map(parseAddress)];
  return [
    ...[parseAddress('0.0.0.0'), ...ipv4].map((own) =>
      pass('arp', arpSender(own), arpSenderMac(macBytes(mac)), ARP_OF_IPV4),
    ),
    // Clients take a server's answer from any port.
    drop('ip', udpOverIpv4(null, DHCPV4.client)),
    ...UDP_WITH_OPTIONS.map((keys) => drop('ip', keys)),
    ...ipv4.map((own) => pass('ip', ipv4Source(own))),
    ...router.map((address) => drop('ipv6', ipv6Source(address))),
    drop('ipv6', udpOverIpv6(null, DHCPV6.client)),
    ...neighbourRules(ipv6, router, pass),
    ...extensionRules(pass),
    ...[LINK_LOCAL, ...ipv6].map((own) => pass('ipv6', ipv6Source(own))),
    pass('rarp'), // how QEMU announces a guest that has migrated
    // Whatever they contain: a VLAN is another network. Filters cannot tell them from frames of
    // VLAN 0, and drop all that have a tag.
    pass('vlan'),
    drop('all'),
  ];
}

type Pass = (protocol: FrameProtocol, ...keys: readonly (readonly Key[])[]) => FrameRule;

/** What neighbour discovery may claim: addresses of the guest, never the router's. */
function neighbourRules(
  ipv6: readonly Uint8Array[],
  router: readonly Uint8Array[],
  pass: Pass,
): readonly FrameRule[] {
  const targets = [LINK_LOCAL, ...ipv6];
  const advertises = icmpv6(NEIGHBOUR_ADVERTISEMENT);
  // A node that has no address yet asks whether somebody has the one that it wants.
  const claims = joined(icmpv6(NEIGHBOUR_SOLICITATION), ipv6Source(UNSPECIFIED));
  return [
    drop('ipv6', icmpv6(ROUTER_ADVERTISEMENT)),
    drop('ipv6', icmpv6(REDIRECT)),
    ...router.flatMap((address) => [advertises, claims].map((keys) => drop('ipv6', keys, ndTarget(address)))),
    ...targets.map((own) => pass('ipv6', claims, ndTarget(own))),
    // From the address itself, or from one of another scope.
    ...targets.flatMap((own) =>
      [...new Set([own, LINK_LOCAL, ...(own === LINK_LOCAL ? ipv6 : [])])].map((from) =>
        pass('ipv6', advertises, ndTarget(own), ipv6Source(from)),
      ),
    ),
    drop('ipv6', advertises),
  ];
}

/**
 * Lets reports of multicast groups pass, and fragments of everything but neighbour discovery and
 * servers' answers. A router advertisement behind any other extension header, or behind one in the
 * first fragment, would reach its receivers.
 */
function extensionRules(pass: Pass): readonly FrameRule[] {
  // A hop-by-hop header of eight bytes, in any of which the router alert may be, then ICMPv6.
  const alert = joined(nextHeader(HOP_BY_HOP), bytesAt(40, [ICMPV6, 0]));
  const discovery: readonly (readonly Key[])[] = [
    bytesAt(48, [133]),
    bytesAt(48, [134], [0xfe]),
    bytesAt(48, [136], [0xfe]),
  ];
  return [
    ...MLD.flatMap((type) =>
      [LINK_LOCAL, UNSPECIFIED].map((from) => pass('ipv6', alert, bytesAt(48, [type]), ipv6Source(from))),
    ),
    ...EXTENSIONS.map((header) => drop('ipv6', nextHeader(header))),
    ...discovery.map((type) => drop('ipv6', firstFragment(ICMPV6), type)),
    drop('ipv6', firstFragment(UDP), udpPorts(48, null, DHCPV6.client)),
    ...[FRAGMENT, ...EXTENSIONS].map((header) => drop('ipv6', firstFragment(header))),
  ];
}

/** The first fragment, or the only one, of a packet with this header after that of the fragment. */
const firstFragment = (header: number): readonly Key[] =>
  joined(nextHeader(FRAGMENT), bytesAt(40, [header]), bytesAt(42, [0, 0], [0xff, 0xf8]));
