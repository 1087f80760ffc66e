/** Requests of a guest for addresses and routers, and how to recognise them and their answers. */
import {
  BROADCAST,
  ethernet,
  ICMPV6,
  icmpv6,
  ipv4,
  ipv6,
  macHex,
  UDP,
  udp,
  udpOfIpv6,
  zeros,
} from './packets.ts';

/** A link-local address for a guest that sends frames made by hand. */
export const GUEST_LINK_LOCAL = 'fe80::1234';

/** DHCPDISCOVER; the answer must be a broadcast (RFC 2131). */
const discover = (mac: string): string =>
  `0101060012345678000080${zeros(17)}${macHex(mac)}${zeros(10 + 64 + 128)}63825363350101ff`;

/** A Solicit with a client identifier and an IA_NA (RFC 8415). */
const solicit = (mac: string): string =>
  `01abcdef0001000a00030001${macHex(mac)}0003000c00000001${zeros(8)}000800020000`;

/** The requests of a guest with this MAC: DHCPv4, DHCPv6, and for a router. */
export function requestsOf(mac: string): readonly string[] {
  const [toServers, toRouters] = [
    { from: GUEST_LINK_LOCAL, to: 'ff02::1:2' },
    { from: GUEST_LINK_LOCAL, to: 'ff02::2' },
  ];
  const dhcp6 = udpOfIpv6(toServers, 546, 547, solicit(mac));
  const toRouter = icmpv6(toRouters, 133, `${zeros(4)}0101${macHex(mac)}`);
  return [
    ethernet(
      mac,
      BROADCAST,
      '0800',
      ipv4({ from: '0.0.0.0', to: '255.255.255.255', protocol: UDP, payload: udp(68, 67, discover(mac)) }),
    ),
    ethernet(mac, '33:33:00:01:00:02', '86dd', ipv6({ ...toServers, next: UDP, payload: dhcp6 })),
    ethernet(mac, '33:33:00:00:00:02', '86dd', ipv6({ ...toRouters, next: ICMPV6, payload: toRouter })),
  ];
}

export const REQUESTS = ['DHCPv4 request', 'DHCPv6 request', 'router solicitation'] as const;
export const ANSWERS = ['DHCPv4 answer', 'DHCPv6 answer', 'router advertisement'] as const;
export type Service = (typeof REQUESTS)[number] | (typeof ANSWERS)[number];

/** What a frame is, by ethertype, protocol, and the port to which it is sent or its type. */
const SERVICES = new Map<string, Service>([
  ['0800 17 67', 'DHCPv4 request'],
  ['0800 17 68', 'DHCPv4 answer'],
  ['86dd 17 547', 'DHCPv6 request'],
  ['86dd 17 546', 'DHCPv6 answer'],
  ['86dd 58 133', 'router solicitation'],
  ['86dd 58 134', 'router advertisement'],
]);

/** What a frame is to the services; null: nothing. */
export function serviceOf(frame: string): Service | null {
  const bytes = Buffer.from(frame, 'hex');
  if (bytes.length < 58) return null;
  const type = frame.slice(24, 28);
  const [protocol, transport] = type === '0800' ? [bytes[23], 34] : [bytes[20], 54];
  const kind = protocol === ICMPV6 ? bytes[transport] : bytes.readUInt16BE(transport + 2);
  return SERVICES.get(`${type} ${protocol} ${kind}`) ?? null;
}
