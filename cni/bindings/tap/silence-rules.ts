/**
 * The rules of silence. The pod's own stack may not send on the pod link and the tap. If the tap
 * serves the guest, what the servers send may leave by the tap, and nothing of the guest is routed.
 */

import { ICMPV6, UDP } from '../../../shared/frame-fields.ts';
import { ADVERTISEMENT_ID, SERVER_IPV4 } from '../../../shared/guest-services.ts';
import {
  ACCEPT,
  COUNTER,
  DROP,
  type Expression,
  entersBy,
  type Header,
  leavesBy,
} from '../../../shared/nftables/expression.ts';
import type { Passage } from '../../../shared/record.ts';
import { parseAddress } from '../../../shared/rtnetlink/address.ts';
import {
  DHCPV4,
  DHCPV6,
  NEIGHBOUR_ADVERTISEMENT,
  NEIGHBOUR_SOLICITATION,
  ROUTER_ADVERTISEMENT,
  ROUTER_SOLICITATION,
} from './service-rules.ts';

/** Rules of the chains of both families, by hook. */
export interface SilenceRules {
  readonly inet: HookRules;
  readonly arp: HookRules;
}
type HookRules = Readonly<Partial<Record<'input' | 'forward' | 'output', readonly Rule[]>>>;
type Rule = readonly Expression[];

const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;
const NFPROTO = { ipv4: 2, ipv6: 10 } as const;
/** Hop limit of neighbour discovery, which shows that no router has forwarded a packet. */
const UNFORWARDED = 255;
const IPV6 = { hopLimit: 7, source: 8, destination: 24, length: 16 } as const;
const ICMP = { type: 0, checksum: 2, id: 4, body: 24 } as const;
const ARP_SENDER = 14;

const u16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);
const load = (header: Header, offset: number, length: number): Expression => ({
  is: 'load',
  header,
  offset,
  length,
});
const equals = (bytes: Uint8Array): Expression => ({ is: 'cmp', equal: bytes });
const has = (header: Header, offset: number, bytes: Uint8Array): Rule => [
  load(header, offset, bytes.length),
  equals(bytes),
];
const meta = (key: 'nfproto' | 'l4proto', value: number): Rule => [
  { is: 'meta', key },
  equals(Buffer.of(value)),
];
const isUdp = (family: keyof typeof NFPROTO): Rule => [
  ...meta('nfproto', NFPROTO[family]),
  ...meta('l4proto', UDP),
];
const isIcmpv6 = (type: number): Rule => [
  ...meta('nfproto', NFPROTO.ipv6),
  ...meta('l4proto', ICMPV6),
  ...has('transport', ICMP.type, Buffer.of(type)),
];

/** Writes the type of an ICMPv6 message, and code 0. */
const writeType = (type: number): Rule => [
  load('transport', ICMP.type, 2),
  { is: 'bitwise', mask: Buffer.of(0, 0xff), xor: Buffer.of(type, 0) },
  writeIcmp(ICMP.type, 2),
];

const writeIcmp = (offset: number, length: number): Expression => ({
  is: 'write',
  header: 'transport',
  offset,
  length,
  checksum: { offset: ICMP.checksum, isPseudoHeader: false },
});

/**
 * Makes router advertisements of the sidecar's echo requests, because it may not send other ICMPv6.
 * Their source becomes the address in the first option (type 253, experimental: hosts ignore it),
 * which is that of the real router.
 */
const ADVERTISE: Rule = [
  ...isIcmpv6(ECHO_REQUEST),
  ...has('network', IPV6.hopLimit, Buffer.of(UNFORWARDED)),
  ...has('transport', ICMP.id, u16(ADVERTISEMENT_ID)),
  ...has('network', IPV6.destination, parseAddress('ff02::1')),
  load('transport', ICMP.body, IPV6.length),
  {
    is: 'write',
    header: 'network',
    offset: IPV6.source,
    length: IPV6.length,
    checksum: { offset: null, isPseudoHeader: true },
  },
  ...writeType(ROUTER_ADVERTISEMENT),
  COUNTER,
  ACCEPT,
];

/** Makes echo replies of the guest's router solicitations, which the sidecar can receive. */
const SOLICIT: Rule = [
  ...isIcmpv6(ROUTER_SOLICITATION),
  ...has('network', IPV6.hopLimit, Buffer.of(UNFORWARDED)),
  ...has('network', IPV6.destination, parseAddress('ff02::2')),
  { is: 'immediate', value: u16(ADVERTISEMENT_ID) },
  writeIcmp(ICMP.id, 2),
  ...writeType(ECHO_REPLY),
  COUNTER,
  ACCEPT,
];

/** What the servers send, and how the kernel finds the guest for them. */
const ANSWERS: readonly Rule[] = [
  [...isUdp('ipv4'), ...has('transport', 0, u16(DHCPV4.server))],
  [...isUdp('ipv6'), ...has('transport', 0, u16(DHCPV6.server))],
  isIcmpv6(NEIGHBOUR_SOLICITATION),
  isIcmpv6(NEIGHBOUR_ADVERTISEMENT),
];

/** The services of a tap; null instead of it: none. */
export interface Served {
  /** Whether the tap has IPv6 for them. */
  readonly ipv6: boolean;
}

export const servedBy = ({ serves, ipv6 }: Passage): Served | null => (serves ? { ipv6 } : null);

export function silenceRules(podLink: string, tap: string, served: Served | null): SilenceRules {
  const drops = [podLink, tap].map((link): Rule => [...leavesBy(link), COUNTER, DROP]);
  if (served === null) return { inet: { output: drops }, arp: { output: drops } };
  const accept = (rule: Rule): Rule => [...leavesBy(tap), ...rule, COUNTER, ACCEPT];
  // Replies to the guest, and questions where it is, which renews its lease by unicast.
  const isServers = has('network', ARP_SENDER, parseAddress(SERVER_IPV4));
  const advertise = served.ipv6 ? [[...leavesBy(tap), ...ADVERTISE]] : [];
  return {
    inet: {
      input: served.ipv6 ? [[...entersBy(tap), ...SOLICIT]] : [],
      // A pod that routes must not route what looks like a request to a server.
      forward: [[...entersBy(tap), COUNTER, DROP]],
      output: [...advertise, ...ANSWERS.map(accept), ...drops],
    },
    arp: { output: [accept(isServers), ...drops] },
  };
}
