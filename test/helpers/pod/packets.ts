/** Ethernet frames of IP, ARP and neighbour discovery as hex, for `frames.ts`. */
import { parseAddress } from '../../../shared/rtnetlink/address.ts';

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** Protocols in the headers of IPv4 and IPv6. */
export const [HOP_BY_HOP, IGMP, TCP, UDP, FRAGMENT, ICMPV6] = [0, 2, 6, 17, 44, 58];

const u8 = (value: number): string => value.toString(16).padStart(2, '0');
export const u16 = (value: number): string => value.toString(16).padStart(4, '0');
export const zeros = (bytes: number): string => '00'.repeat(bytes);
const bytesOf = (hex: string): number => hex.length / 2;
export const macHex = (mac: string): string => mac.replaceAll(':', '');
export const addressHex = (address: string): string => Buffer.from(parseAddress(address)).toString('hex');

/** A frame that a station sends, without padding. `type` and `payload` are hex. */
export const ethernet = (from: string, to: string, type: string, payload: string): string =>
  `${macHex(to)}${macHex(from)}${type}${payload}`;

/** The internet checksum (RFC 1071). */
function checksumOf(hex: string): string {
  const words = hex.padEnd(Math.ceil(hex.length / 4) * 4, '0').match(/.{4}/g) ?? [];
  let sum = words.reduce((total, word) => total + Number.parseInt(word, 16), 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return u16(~sum & 0xffff);
}

/** @param at offset in bytes of the checksum, which is 0 */
const withChecksum = (hex: string, at: number, sum: string): string =>
  hex.slice(0, 2 * at) + sum + hex.slice(2 * at + 4);

export interface Ipv4 {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly payload: string;
  /** Hex of whole words. */
  readonly options?: string;
  /** The word of flags and fragment offset. */
  readonly fragment?: number;
}

export function ipv4({ from, to, protocol, payload, options = '', fragment = 0 }: Ipv4): string {
  const length = 20 + bytesOf(options);
  const header =
    `${u8(0x40 + length / 4)}00${u16(length + bytesOf(payload))}0007${u16(fragment)}40${u8(protocol)}0000` +
    `${addressHex(from)}${addressHex(to)}${options}`;
  return withChecksum(header, 10, checksumOf(header)) + payload;
}

/** UDP without a checksum, as IPv4 allows it. */
export const udp = (from: number, to: number, payload = zeros(8)): string =>
  `${u16(from)}${u16(to)}${u16(8 + bytesOf(payload))}0000${payload}`;

export interface Ipv6 {
  readonly from: string;
  readonly to: string;
  readonly next: number;
  readonly payload: string;
}

/** With the hop limit of neighbour discovery. */
export const ipv6 = ({ from, to, next, payload }: Ipv6): string =>
  `60000000${u16(bytesOf(payload))}${u8(next)}ff${addressHex(from)}${addressHex(to)}${payload}`;

type Ends = Pick<Ipv6, 'from' | 'to'>;

const pseudoHeader = ({ from, to }: Ends, next: number, payload: string): string =>
  `${addressHex(from)}${addressHex(to)}0000${u16(bytesOf(payload))}000000${u8(next)}`;

export function udpOfIpv6(ends: Ends, from: number, to: number, payload = zeros(8)): string {
  const packet = udp(from, to, payload);
  return withChecksum(packet, 6, checksumOf(pseudoHeader(ends, UDP, packet) + packet));
}

/** A request for a connection, without its checksum. */
const syn = (from: number, to: number): string => `${u16(from)}${u16(to)}${zeros(8)}5002ffff${zeros(4)}`;

export function tcp({ from, to }: Ends, ...ports: readonly [number, number]): string {
  const packet = syn(...ports);
  const pseudo = `${addressHex(from)}${addressHex(to)}00${u8(TCP)}${u16(bytesOf(packet))}`;
  return withChecksum(packet, 16, checksumOf(pseudo + packet));
}

export function tcpOfIpv6(ends: Ends, ...ports: readonly [number, number]): string {
  const packet = syn(...ports);
  return withChecksum(packet, 16, checksumOf(pseudoHeader(ends, TCP, packet) + packet));
}

/** @param body what follows the checksum */
export function icmpv6(ends: Ends, type: number, body: string): string {
  const packet = `${u8(type)}000000${body}`;
  return withChecksum(packet, 2, checksumOf(pseudoHeader(ends, ICMPV6, packet) + packet));
}

/** A header of eight bytes with padding; as hop-by-hop options, destination options and others. */
export const extension = (next: number, options = `0104${zeros(4)}`): string => `${u8(next)}00${options}`;

/** @param offset in bytes, a multiple of 8 */
export const fragment = (next: number, offset: number, isLast = false): string =>
  `${u8(next)}00${u16(offset | (isLast ? 0 : 1))}00000009`;

export interface Arp {
  readonly operation: 'request' | 'reply';
  readonly senderMac: string;
  readonly sender: string;
  readonly target: string;
}

export const arp = ({ operation, senderMac, sender, target }: Arp): string =>
  `000108000604000${operation === 'request' ? 1 : 2}${macHex(senderMac)}${addressHex(sender)}` +
  `${zeros(6)}${addressHex(target)}`;
