/** The steps of an nftables rule, as far as Tapwire writes them. */

/**
 * One step of a rule. The kernel runs the steps in order until one does not match or gives a
 * verdict. Steps hand over up to 16 bytes in register 1.
 */
export type Expression =
  /** Loads a property of the packet into register 1. */
  | { readonly is: 'meta'; readonly key: MetaKey }
  /** Loads bytes of the packet into register 1. Does not match if the packet ends earlier. */
  | ({ readonly is: 'load' } & Place)
  /** Loads constant bytes into register 1. */
  | { readonly is: 'immediate'; readonly value: Uint8Array }
  /** Register 1 becomes `(register 1 & mask) ^ xor`, which are of the same length. */
  | { readonly is: 'bitwise'; readonly mask: Uint8Array; readonly xor: Uint8Array }
  /** Continues if register 1 starts with these bytes. */
  | { readonly is: 'cmp'; readonly equal: Uint8Array }
  /** Writes register 1 into the packet. */
  | ({ readonly is: 'write'; readonly checksum: Checksum } & Place)
  /** Makes register 1 the packet's type (PACKET_* of linux/if_packet.h, 1 byte). */
  | { readonly is: 'setPacketType' }
  /** Matches at most so many packets in each second, after a first number of them. */
  | { readonly is: 'limit'; readonly perSecond: number; readonly burst: number }
  | { readonly is: 'counter'; readonly packets: number; readonly bytes: number }
  | { readonly is: 'accept' }
  | { readonly is: 'drop' }
  /** Any other expression that the kernel lists. */
  | { readonly is: 'other'; readonly name: string };

/**
 * Names of the incoming and the outgoing link (16 bytes, padded with NULs), NFPROTO_* of the
 * packet's family and IPPROTO_* of its content (1 byte each).
 */
export type MetaKey = 'iifname' | 'oifname' | 'nfproto' | 'l4proto';

/** Header of the packet. The link's is the Ethernet header. */
export type Header = 'link' | 'network' | 'transport';

/** Bytes of a packet. */
export interface Place {
  readonly header: Header;
  /** Offset in bytes from the start of the header. */
  readonly offset: number;
  /** Length in bytes, from 1 to 16. */
  readonly length: number;
}

/** Checksums that the kernel corrects when it writes bytes of the packet. */
export interface Checksum {
  /** Offset in bytes of an Internet checksum in the same header; null if it has none. */
  readonly offset: number | null;
  /** Whether the bytes count in the checksum of the transport header, as the IP addresses do. */
  readonly isPseudoHeader: boolean;
}

export const ACCEPT: Expression = { is: 'accept' };
export const DROP: Expression = { is: 'drop' };
/** A counter that starts at 0. */
export const COUNTER: Expression = { is: 'counter', packets: 0, bytes: 0 };

/** Size in bytes of an ifname in the kernel, which compares names with their padding. */
const IFNAMSIZ = 16;

/** `oifname LINK`: matches packets that leave through the link, which need not exist. */
export const leavesBy = (link: string): readonly Expression[] => matchesName('oifname', link);

/** `iifname LINK`: matches packets that enter through the link, which need not exist. */
export const entersBy = (link: string): readonly Expression[] => matchesName('iifname', link);

function matchesName(key: MetaKey, link: string): readonly Expression[] {
  const name = Buffer.alloc(IFNAMSIZ);
  name.write(link);
  return [
    { is: 'meta', key },
    { is: 'cmp', equal: name },
  ];
}

/**
 * Whether two expressions are equal, for counters also in what they have counted. False for
 * `other`, because Tapwire does not know what such an expression does.
 */
export function isSameExpression(one: Expression, other: Expression | undefined): boolean {
  switch (one.is) {
    case 'meta':
      return other?.is === 'meta' && one.key === other.key;
    case 'load':
      return other?.is === 'load' && isSamePlace(one, other);
    case 'immediate':
      return other?.is === 'immediate' && isSameBytes(one.value, other.value);
    case 'bitwise':
      return other?.is === 'bitwise' && isSameBytes(one.mask, other.mask) && isSameBytes(one.xor, other.xor);
    case 'cmp':
      return other?.is === 'cmp' && isSameBytes(one.equal, other.equal);
    case 'write':
      return (
        other?.is === 'write' &&
        isSamePlace(one, other) &&
        one.checksum.offset === other.checksum.offset &&
        one.checksum.isPseudoHeader === other.checksum.isPseudoHeader
      );
    case 'limit':
      return other?.is === 'limit' && one.perSecond === other.perSecond && one.burst === other.burst;
    case 'counter':
      return other?.is === 'counter' && one.packets === other.packets && one.bytes === other.bytes;
    case 'setPacketType':
    case 'accept':
    case 'drop':
      return one.is === other?.is;
    case 'other':
      return false;
  }
}

const isSamePlace = (one: Place, other: Place): boolean =>
  one.header === other.header && one.offset === other.offset && one.length === other.length;

const isSameBytes = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
