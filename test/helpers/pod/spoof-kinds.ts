/** Frames that a guest may try to send, and what becomes of each under every spoof guard. */
import type { GuestFacts } from '../../../cni/bindings/tap/guest-facts.ts';
import { NO_FACTS } from '../../../cni/bindings/tap/guest-facts.ts';
import { SERVER_IPV4, SERVER_IPV6 } from '../../../shared/guest-services.ts';
import type { SpoofGuard } from '../../../shared/record.ts';
import {
  addressHex,
  arp,
  BROADCAST,
  ethernet,
  extension,
  FRAGMENT,
  fragment,
  HOP_BY_HOP,
  ICMPV6,
  IGMP,
  icmpv6,
  ipv4,
  ipv6,
  macHex,
  TCP,
  UDP,
  udp,
  udpOfIpv6,
  zeros,
} from './packets.ts';

export const MAC = '02:00:00:00:00:10';
export const OWN4 = ['192.0.2.10', '192.0.2.11'] as const;
export const OWN6 = ['2001:db8::10', '2001:db8::11'] as const;
/** An address that the guest chose, as for privacy. */
const OWN_LINK_LOCAL = 'fe80::1234';
/** The default route of the pod names it. */
export const ROUTER = 'fe80::1';
const [FOREIGN_MAC, GATEWAY_MAC] = ['02:00:00:00:00:66', '02:00:00:00:00:01'];
const [FOREIGN4, FOREIGN6, FAR4, FAR6] = ['192.0.2.66', '2001:db8::66', '198.51.100.5', '2001:db8:5::5'];
const [ALL_NODES, ALL_ROUTERS, SERVERS] = ['ff02::1', 'ff02::2', 'ff02::1:2'];

/** What a pod with these addresses is to `guardRules`. */
export const GUEST: GuestFacts = {
  ...NO_FACTS,
  ipv4: OWN4,
  ipv6: OWN6,
  router: { address: ROUTER, mac: null, isTold: true },
};

/** `out`: the network gets it. `up`: the pod's own stack does. `lost`: nobody gets it. */
export type Outcome = 'out' | 'up' | 'lost';

export interface Kind {
  readonly what: string;
  /** Whole, as hex. */
  readonly frame: string;
  /** What becomes of it on a tap that serves the guest, by guard. */
  readonly served: Readonly<Record<SpoofGuard, Outcome>>;
  /** What becomes of it under "addresses" as filters, if that differs. */
  readonly filters?: Outcome;
}

type Row = readonly [what: string, frame: string];

const by4 = (payload: string, from = MAC): string => ethernet(from, GATEWAY_MAC, '0800', payload);
const by6 = (payload: string, from = MAC): string => ethernet(from, GATEWAY_MAC, '86dd', payload);
const byArp = (payload: string, from = MAC): string => ethernet(from, BROADCAST, '0806', payload);
const udp4 = (from: string, ports: readonly [number, number] = [5000, 5001]): string =>
  ipv4({ from, to: FAR4, protocol: UDP, payload: udp(...ports) });
const udp6 = (from: string, to = FAR6): string =>
  ipv6({ from, to, next: UDP, payload: udpOfIpv6({ from, to }, 5000, 5001) });
const request = (sender: string, target: string, senderMac = MAC): string =>
  arp({ operation: 'request', senderMac, sender, target });

const icmp6 = (from: string, to: string, type: number, body: string): string =>
  ipv6({ from, to, next: ICMPV6, payload: icmpv6({ from, to }, type, body) });
const linkLayer = (option: number): string => `0${option}01${macHex(MAC)}`;
/** From one's own address: a question. From `::`: a claim. */
const solicitation = (from: string, target: string): string =>
  by6(icmp6(from, `ff02::1:ff00:${target.split(':').at(-1)}`, 135, `${zeros(4)}${addressHex(target)}`));
const advertisement = (from: string, target: string): string =>
  by6(icmp6(from, ALL_NODES, 136, `20000000${addressHex(target)}${linkLayer(2)}`));
const routerAdvertisement = (from: string, to = ALL_NODES): string =>
  icmpv6({ from, to }, 134, `40000708${zeros(8)}${linkLayer(1)}`);
const routerSolicitation = (from: string, to: string): string =>
  by6(icmp6(from, to, 133, `${zeros(4)}${linkLayer(1)}`));
/** A report or "done" of multicast groups: MLDv1 131 and 132, MLDv2 143. */
const mld = (type: number, from: string, options = '05020000' + '0100'): string => {
  const to = type === 143 ? 'ff02::16' : 'ff02::fb';
  const body =
    type === 143 ? `0000000104000000${addressHex('ff02::fb')}` : `${zeros(4)}${addressHex('ff02::fb')}`;
  return by6(
    ipv6({
      from,
      to,
      next: HOP_BY_HOP,
      payload: extension(ICMPV6, options) + icmpv6({ from, to }, type, body),
    }),
  );
};
const behind = (header: number, payload: string): string =>
  by6(ipv6({ from: OWN_LINK_LOCAL, to: ALL_NODES, next: header, payload }));

const [EXTENSIONS, NO_SUCH_TYPE] = [[HOP_BY_HOP, 43, 51, 60, 135, 139, 140, 253, 254], '88b5'];
const [ESP, DESTINATION_OPTIONS] = [50, 60];
const ownLinkLocalOr = (address: string) => [address, OWN_LINK_LOCAL];

/** What an honest guest sends. */
const HONEST: readonly Row[] = [
  ...OWN4.map((own): Row => [`IPv4 from ${own}`, by4(udp4(own))]),
  [
    'TCP',
    by4(ipv4({ from: OWN4[0], to: FAR4, protocol: TCP, payload: `c0000016${zeros(8)}5002ffff${zeros(4)}` })),
  ],
  [
    'IGMP with a router alert',
    by4(
      ipv4({
        from: OWN4[0],
        to: '224.0.0.22',
        protocol: IGMP,
        options: '94040000',
        payload: `2200${zeros(6)}`,
      }),
    ),
  ],
  [
    'first fragment of UDP',
    by4(
      ipv4({ from: OWN4[0], to: FAR4, protocol: UDP, fragment: 0x2000, payload: udp(5000, 5001, zeros(16)) }),
    ),
  ],
  [
    'last fragment of UDP, of one byte',
    by4(ipv4({ from: OWN4[0], to: FAR4, protocol: UDP, fragment: 3, payload: '00' })),
  ],
  [
    'last fragment of UDP, which looks like DHCP',
    by4(ipv4({ from: OWN4[0], to: FAR4, protocol: UDP, fragment: 3, payload: '00430044' })),
  ],
  [
    'first fragment of an echo request',
    by4(
      ipv4({
        from: OWN4[0],
        to: FAR4,
        protocol: 1,
        fragment: 0x2000,
        payload: `0800f7f700010001${zeros(8)}`,
      }),
    ),
  ],
  [
    'last fragment of an echo request, of one byte',
    by4(ipv4({ from: OWN4[0], to: FAR4, protocol: 1, fragment: 2, payload: '00' })),
  ],
  ['ARP request', byArp(request(OWN4[0], FOREIGN4))],
  [
    'ARP reply for the second address',
    ethernet(
      MAC,
      GATEWAY_MAC,
      '0806',
      arp({ operation: 'reply', senderMac: MAC, sender: OWN4[1], target: FOREIGN4 }),
    ),
  ],
  ['ARP probe', byArp(request('0.0.0.0', OWN4[0]))],
  ['gratuitous ARP', byArp(request(OWN4[0], OWN4[0]))],
  ...[...OWN6, OWN_LINK_LOCAL].map((own): Row => [`IPv6 from ${own}`, by6(udp6(own))]),
  ...[...OWN6, OWN_LINK_LOCAL].map((own): Row => [`claim of ${own}`, solicitation('::', own)]),
  ...[...OWN6, OWN_LINK_LOCAL].map(
    (own): Row => [`question for the router from ${own}`, solicitation(own, ROUTER)],
  ),
  ...OWN6.flatMap(ownLinkLocalOr).map(
    (from, i): Row => [
      `advertisement of ${OWN6[i >> 1]} from ${from}`,
      advertisement(from, OWN6[i >> 1] ?? ''),
    ],
  ),
  ...[OWN_LINK_LOCAL, ...OWN6].map(
    (from): Row => [
      `advertisement of a link-local address from ${from}`,
      advertisement(from, OWN_LINK_LOCAL),
    ],
  ),
  ...[131, 132, 143].flatMap((type) =>
    [OWN_LINK_LOCAL, '::'].map((from): Row => [`MLD ${type} from ${from}`, mld(type, from)]),
  ),
  ['MLD 143, padded as BSD does', mld(143, OWN_LINK_LOCAL, '010005020000')],
  ['ESP', by6(ipv6({ from: OWN6[0], to: FAR6, next: ESP, payload: `0000000100000001${zeros(16)}` }))],
  [
    'first fragment of UDP over IPv6',
    by6(
      ipv6({
        from: OWN6[0],
        to: FAR6,
        next: FRAGMENT,
        payload: fragment(UDP, 0) + udp(5000, 5001, zeros(16)),
      }),
    ),
  ],
  [
    'last fragment of UDP over IPv6',
    by6(ipv6({ from: OWN6[0], to: FAR6, next: FRAGMENT, payload: `${fragment(UDP, 24, true)}00` })),
  ],
  [
    'first fragment of an echo request over IPv6',
    by6(ipv6({ from: OWN6[0], to: FAR6, next: FRAGMENT, payload: `${fragment(ICMPV6, 0)}8000${zeros(14)}` })),
  ],
  [
    'last fragment of an echo request over IPv6, which looks like an advertisement',
    by6(
      ipv6({
        from: OWN6[0],
        to: FAR6,
        next: FRAGMENT,
        payload: `${fragment(ICMPV6, 16, true)}8600${zeros(6)}`,
      }),
    ),
  ],
  [
    'RARP, as QEMU sends it after a migration',
    ethernet(MAC, BROADCAST, '8035', `0001080006040003${macHex(MAC)}${zeros(4)}${macHex(MAC)}${zeros(22)}`),
  ],
];

/** With the MAC of another station in the Ethernet header. */
const FOREIGN_MACS: readonly Row[] = [
  ['IPv4 from another MAC', by4(udp4(OWN4[0]), FOREIGN_MAC)],
  ['IPv6 from another MAC', by6(udp6(OWN6[0]), FOREIGN_MAC)],
  ['ARP from another MAC', byArp(request(OWN4[0], FOREIGN4), FOREIGN_MAC)],
  ['RARP from another MAC', ethernet(FOREIGN_MAC, BROADCAST, '8035', `0001080006040003${zeros(38)}`)],
  ['802.1Q from another MAC', ethernet(FOREIGN_MAC, BROADCAST, '8100', `0065${NO_SUCH_TYPE}${zeros(46)}`)],
];

const DHCP_ANSWER = [67, 68] as const;

/** What only the guard of addresses rejects. */
const DISHONEST: readonly Row[] = [
  ['IPv4 from a foreign address', by4(udp4(FOREIGN4))],
  ['IPv4 from 0.0.0.0', by4(udp4('0.0.0.0'))],
  ["DHCPv4 server's answer", by4(udp4(OWN4[0], DHCP_ANSWER))],
  ["DHCPv4 server's answer from another port", by4(udp4(OWN4[0], [1067, 68]))],
  [
    "first fragment of a DHCPv4 server's answer",
    by4(ipv4({ from: OWN4[0], to: FAR4, protocol: UDP, fragment: 0x2000, payload: udp(...DHCP_ANSWER) })),
  ],
  ...[1, 2, 3, 10].map(
    (words): Row => [
      `DHCPv4 server's answer behind ${words} words of options`,
      by4(
        ipv4({
          from: OWN4[0],
          to: FAR4,
          protocol: UDP,
          options: '01'.repeat(4 * words),
          payload: udp(...DHCP_ANSWER),
        }),
      ),
    ],
  ),
  ['ARP with a foreign sender address', byArp(request(FOREIGN4, FOREIGN4))],
  ['ARP with a foreign sender MAC', byArp(request(OWN4[0], FOREIGN4, FOREIGN_MAC))],
  ['ARP probe with a foreign sender MAC', byArp(request('0.0.0.0', FOREIGN4, FOREIGN_MAC))],
  ['ARP for another kind of hardware', byArp(request(OWN4[0], FOREIGN4).replace(/^0001/, '0006'))],
  ['IPv6 from a foreign address', by6(udp6(FOREIGN6))],
  ['IPv6 from ::', by6(udp6('::'))],
  ["IPv6 from the router's address", by6(udp6(ROUTER))],
  ['IPv6 from a link-local address outside of fe80::/64', by6(udp6('fe80:0:0:1::10'))],
  ["claim of the router's address", solicitation('::', ROUTER)],
  ['claim of a foreign address', solicitation('::', FOREIGN6)],
  ["advertisement of the router's address", advertisement(OWN_LINK_LOCAL, ROUTER)],
  ["advertisement of the router's address from a global one", advertisement(OWN6[0], ROUTER)],
  ['advertisement of a foreign address', advertisement(OWN6[0], FOREIGN6)],
  ['advertisement of a foreign address from a link-local one', advertisement(OWN_LINK_LOCAL, FOREIGN6)],
  ['MLD from a foreign address', mld(143, FOREIGN6)],
  ["MLD from the router's address", mld(131, ROUTER)],
  ...[OWN_LINK_LOCAL, OWN6[0], ROUTER].map(
    (from): Row => [
      `router advertisement from ${from}`,
      by6(ipv6({ from, to: ALL_NODES, next: ICMPV6, payload: routerAdvertisement(from) })),
    ],
  ),
  [
    'redirect',
    by6(icmp6(OWN_LINK_LOCAL, FOREIGN6, 137, `${zeros(4)}${addressHex(OWN_LINK_LOCAL)}${addressHex(FAR6)}`)),
  ],
  ...EXTENSIONS.map(
    (header): Row => [
      `router advertisement behind header ${header}`,
      behind(header, extension(ICMPV6) + routerAdvertisement(OWN_LINK_LOCAL)),
    ],
  ),
  [
    'router advertisement behind hop-by-hop and destination options',
    behind(
      HOP_BY_HOP,
      extension(DESTINATION_OPTIONS) + extension(ICMPV6) + routerAdvertisement(OWN_LINK_LOCAL),
    ),
  ],
  [
    'router advertisement as a fragment',
    behind(FRAGMENT, fragment(ICMPV6, 0, true) + routerAdvertisement(OWN_LINK_LOCAL)),
  ],
  ['router solicitation as a fragment', behind(FRAGMENT, `${fragment(ICMPV6, 0, true)}8500${zeros(6)}`)],
  [
    'neighbour advertisement as a fragment',
    behind(FRAGMENT, `${fragment(ICMPV6, 0, true)}8800000020000000${addressHex(FOREIGN6)}`),
  ],
  ...[FRAGMENT, ...EXTENSIONS].map(
    (header): Row => [
      `router advertisement as a fragment behind header ${header}`,
      behind(FRAGMENT, fragment(header, 0, true) + extension(ICMPV6) + routerAdvertisement(OWN_LINK_LOCAL)),
    ],
  ),
  ...([547, 1547] as const).map(
    (port): Row => [
      `DHCPv6 server's answer from port ${port}`,
      by6(
        ipv6({
          from: OWN_LINK_LOCAL,
          to: ALL_NODES,
          next: UDP,
          payload: udpOfIpv6({ from: OWN_LINK_LOCAL, to: ALL_NODES }, port, 546),
        }),
      ),
    ],
  ),
  [
    "DHCPv6 server's answer as a fragment",
    behind(FRAGMENT, fragment(UDP, 0, true) + udpOfIpv6({ from: OWN_LINK_LOCAL, to: ALL_NODES }, 547, 546)),
  ],
  [
    "first fragment of a DHCPv6 server's answer",
    behind(FRAGMENT, fragment(UDP, 0) + udp(547, 546, zeros(16))),
  ],
  [
    '802.1Q of VLAN 0 with a foreign ARP sender',
    ethernet(MAC, BROADCAST, '8100', `00000806${request(FOREIGN4, FOREIGN4)}`),
  ],
  ['LLDP', ethernet(MAC, '01:80:c2:00:00:0e', '88cc', '02070402')],
  ['spanning tree', ethernet(MAC, '01:80:c2:00:00:00', '0026', '42420300')],
];

/** Frames of a VLAN: the guard of addresses lets them pass if it can read the tag. */
const TAGGED: readonly Row[] = [
  ['802.1Q', ethernet(MAC, BROADCAST, '8100', `0064${NO_SUCH_TYPE}${zeros(46)}`)],
  ['802.1ad', ethernet(MAC, BROADCAST, '88a8', `0064${NO_SUCH_TYPE}${zeros(46)}`)],
];

/** What the tap's own stack takes for the services. */
const TAKEN: readonly Row[] = [
  [
    'DHCPv4 request',
    ethernet(
      MAC,
      BROADCAST,
      '0800',
      ipv4({ from: '0.0.0.0', to: '255.255.255.255', protocol: UDP, payload: udp(68, 67) }),
    ),
  ],
  [
    'DHCPv4 request from the own address',
    by4(ipv4({ from: OWN4[0], to: SERVER_IPV4, protocol: UDP, payload: udp(68, 67) })),
  ],
  ['ARP probe for the server', byArp(request('0.0.0.0', SERVER_IPV4))],
  [
    'DHCPv6 request',
    by6(
      ipv6({
        from: OWN_LINK_LOCAL,
        to: SERVERS,
        next: UDP,
        payload: udpOfIpv6({ from: OWN_LINK_LOCAL, to: SERVERS }, 546, 547),
      }),
    ),
  ],
  ['router solicitation', routerSolicitation(OWN_LINK_LOCAL, ALL_ROUTERS)],
  ['neighbour solicitation for the server', solicitation(OWN_LINK_LOCAL, SERVER_IPV6)],
  [
    'neighbour advertisement to the server',
    by6(icmp6(OWN_LINK_LOCAL, SERVER_IPV6, 136, `60000000${addressHex(OWN_LINK_LOCAL)}${linkLayer(2)}`)),
  ],
];

/** Requests that no server gets, and what only the server sends. */
const UNANSWERED: readonly Row[] = [
  [
    'router advertisement with the option of the sidecar',
    by6(icmp6(OWN_LINK_LOCAL, ALL_NODES, 134, `40c00708${zeros(8)}fd03${zeros(22)}`)),
  ],
  ["IPv4 from the server's address", by4(udp4(SERVER_IPV4))],
  [
    'DHCPv6 request by unicast',
    by6(
      ipv6({
        from: OWN_LINK_LOCAL,
        to: FAR6,
        next: UDP,
        payload: udpOfIpv6({ from: OWN_LINK_LOCAL, to: FAR6 }, 546, 547),
      }),
    ),
  ],
  ['router solicitation by unicast', routerSolicitation(OWN_LINK_LOCAL, ROUTER)],
];

const kinds = (rows: readonly Row[], off: Outcome, mac: Outcome, addresses: Outcome): readonly Kind[] =>
  rows.map(([what, frame]) => ({ what, frame, served: { off, mac, addresses } }));

export const KINDS: readonly Kind[] = [
  ...kinds(HONEST, 'out', 'out', 'out'),
  ...kinds(TAGGED, 'out', 'out', 'out').map((kind) => ({ ...kind, filters: 'lost' as const })),
  ...kinds(FOREIGN_MACS, 'out', 'lost', 'lost'),
  ...kinds(DISHONEST, 'out', 'out', 'lost'),
  ...kinds(TAKEN, 'up', 'up', 'up'),
  ...kinds(UNANSWERED, 'lost', 'lost', 'lost'),
];

/** Frames that end in the middle of a header. */
export const TRUNCATED: readonly Row[] = [
  ['Ethernet alone', by4('')],
  ['half of the header of IPv4', by4(udp4(FOREIGN4).slice(0, 20))],
  ['the header of IPv4 from a foreign address', by4(udp4(FOREIGN4).slice(0, 40))],
  ['half of ARP', byArp(request(FOREIGN4, FOREIGN4).slice(0, 32))],
  ['half of the header of IPv6', by6(udp6(FOREIGN6).slice(0, 40))],
  ['the header of IPv6 from a foreign address', by6(udp6(FOREIGN6).slice(0, 80))],
  ['a hop-by-hop header alone', behind(HOP_BY_HOP, extension(ICMPV6))],
];

/** What becomes of a frame if the tap serves nobody. */
export const unserved = ({ frame }: Kind, guard: SpoofGuard): Outcome =>
  guard === 'off' || frame.slice(12, 24) === macHex(MAC) ? 'out' : 'lost';
