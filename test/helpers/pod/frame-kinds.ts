/** Kinds of Ethernet frames that a bridge or a network stack would treat differently. */

/** The station outside. */
export const PEER_MAC = '020000000099';
export const BROADCAST = 'ffffffffffff';
/** An ethertype for experiments, to which no program replies. */
export const TYPE = '88b5';

const bytes = (count: number): string => 'a5'.repeat(count);
/** Pads to the 60 bytes that Ethernet requires without its checksum. */
export const padded = (header: string): string => header.padEnd(120, '0');

/** A name, a destination, or "" for the other end's own MAC, and what follows the two MACs. */
export type Kind = readonly [name: string, destination: string, rest: string];

/** Kinds of frames on a link with this MTU. */
export const kindsUpTo = (mtu: number): readonly Kind[] => [
  ['unicast', '', `${TYPE}${bytes(46)}`],
  ['ARP', BROADCAST, `0806${bytes(46)}`],
  ['RARP, as QEMU sends it after a migration', BROADCAST, `8035${bytes(46)}`],
  ['802.1Q', '', `8100a064${TYPE}${bytes(46)}`],
  ['802.1Q, broadcast', BROADCAST, `8100a064${TYPE}${bytes(46)}`],
  ['802.1Q with VID 0: only a priority', '', `8100e000${TYPE}${bytes(46)}`],
  ['802.1Q in 802.1Q', '', `81000064810000c8${TYPE}${bytes(46)}`],
  ['QinQ (802.1ad)', '', `88a80064810000c8${TYPE}${bytes(46)}`],
  ['IPv4 multicast', '01005e0000fb', `0800${bytes(46)}`],
  ['IPv6 multicast', '333300000001', `86dd${bytes(46)}`],
  ['LLDP', '0180c200000e', `88cc${bytes(46)}`],
  ['LACP', '0180c2000002', `8809${bytes(46)}`],
  ['STP', '0180c2000000', `0026424203${bytes(41)}`],
  ['802.1X', '0180c2000003', `888e${bytes(46)}`],
  ['CDP', '01000ccccccc', `0026aaaa0300000c2000${bytes(38)}`],
  ['PTP', '011b19000000', `88f7${bytes(46)}`],
  ['PPPoE', '', `8864${bytes(46)}`],
  ['MPLS', '', `8847${bytes(46)}`],
  ['jumbo, of the whole MTU', '', `${TYPE}${bytes(mtu)}`],
  ['jumbo, of the whole MTU after a tag', '', `81000064${TYPE}${bytes(mtu)}`],
];

export const frameOf = (from: string, to: string, [, destination, rest]: Kind): string =>
  padded(`${destination || to}${from}${rest}`);
