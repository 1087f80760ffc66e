/**
 * Fields of IPv4, IPv6 and ARP as keys of a match. Offsets count from the network header.
 *
 * Source: RFC 791, RFC 768, RFC 826, RFC 8200, RFC 4443
 */
import { bytesAt, joined, type Key } from './frame-match.ts';

/** Protocols in the headers of IPv4 and IPv6. */
export const UDP = 17;
export const ICMPV6 = 58;

const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);

/**
 * The ports of a UDP header at this offset.
 *
 * @param source null: any
 */
export const udpPorts = (at: number, source: number | null, destination: number): readonly Key[] =>
  joined(source === null ? [] : bytesAt(at, u16(source)), bytesAt(at + 2, u16(destination)));

export const ipv4Protocol = (protocol: number): readonly Key[] => bytesAt(9, [protocol]);
/** @param address four bytes */
export const ipv4Source = (address: Uint8Array): readonly Key[] => bytesAt(12, address);

/**
 * A UDP packet with these ports. It has no options, which would move the ports, and is not a later
 * fragment, which has none: any bytes of it could look like ports. The ports come last, because a
 * later fragment may be too short to have bytes in their place.
 *
 * @param source null: any
 */
export const udpOverIpv4 = (source: number | null, destination: number): readonly Key[] =>
  joined(
    ipv4Protocol(UDP),
    bytesAt(0, [0x45]), // version 4, a header of five words
    bytesAt(6, [0, 0], [0x1f, 0xff]), // fragment offset
    udpPorts(20, source, destination),
  );

/**
 * A UDP packet whose header of IPv4 has options. Two matches, because a key compares single bits.
 */
export const UDP_WITH_OPTIONS: readonly (readonly Key[])[] = [
  joined(ipv4Protocol(UDP), bytesAt(0, [0x06], [0x0e])), // six or seven words
  joined(ipv4Protocol(UDP), bytesAt(0, [0x08], [0x08])), // eight to fifteen
];

export const nextHeader = (protocol: number): readonly Key[] => bytesAt(6, [protocol]);
/** @param address sixteen bytes, or the first ones of a prefix */
export const ipv6Source = (address: Uint8Array): readonly Key[] => bytesAt(8, address);
export const ipv6Destination = (address: Uint8Array): readonly Key[] => bytesAt(24, address);

/** @param source null: any */
export const udpOverIpv6 = (source: number | null, destination: number): readonly Key[] =>
  joined(nextHeader(UDP), udpPorts(40, source, destination));

export const icmpv6 = (type: number): readonly Key[] => joined(nextHeader(ICMPV6), bytesAt(40, [type]));
/** The target of a neighbour solicitation or advertisement. */
export const ndTarget = (address: Uint8Array): readonly Key[] => bytesAt(48, address);

/** ARP for Ethernet and IPv4, in which the other fields have their places. */
export const ARP_OF_IPV4: readonly Key[] = bytesAt(0, [0, 1, 0x08, 0, 6, 4]);
export const arpSenderMac = (mac: Uint8Array): readonly Key[] => bytesAt(8, mac);
export const arpSender = (address: Uint8Array): readonly Key[] => bytesAt(14, address);
export const arpTarget = (address: Uint8Array): readonly Key[] => bytesAt(24, address);
