/**
 * A match on the bytes of a frame, which u32 filters, classic BPF programs and nftables rules can
 * all express.
 */

/** A frame of one protocol whose words have these values. */
export interface FrameMatch {
  readonly protocol: FrameProtocol;
  /** In the order in which they are compared; put first what most frames do not have. */
  readonly keys: readonly Key[];
}

/** Four bytes of a frame. */
export interface Key {
  /** Offset in bytes from the network header, a multiple of 4. The source MAC starts at -8. */
  readonly at: number;
  /** Bits to compare, as an unsigned number in network byte order. */
  readonly mask: number;
  /** Their value; 0 outside of the mask. */
  readonly value: number;
}

/**
 * `vlan` is every frame with the tag of a VLAN, whatever it contains; receivers take one of VLAN 0,
 * which is only a priority, for a frame without a tag. `all` is every frame.
 */
export type FrameProtocol = 'ip' | 'arp' | 'ipv6' | 'rarp' | 'vlan' | 'all';

/** ETH_P_* of the protocols that have one number (linux/if_ether.h). */
export const ETHERTYPES = { ip: 0x0800, arp: 0x0806, ipv6: 0x86dd, rarp: 0x8035 } as const;

/** Where the source MAC starts, from the network header. */
const SOURCE_MAC = -8;

/**
 * Matches bytes at any offset.
 *
 * @param mask bits to compare; all if absent
 */
export function bytesAt(at: number, bytes: ArrayLike<number>, mask?: ArrayLike<number>): readonly Key[] {
  const start = Math.floor(at / 4) * 4;
  const words = Math.ceil((at + bytes.length - start) / 4);
  const [values, masks] = [Buffer.alloc(words * 4), Buffer.alloc(words * 4)];
  for (const [i, byte] of Array.from(bytes).entries()) {
    const bits = mask === undefined ? 0xff : (mask[i] ?? 0);
    masks[at - start + i] = bits;
    values[at - start + i] = byte & bits;
  }
  return Array.from({ length: words }, (_, i) => ({
    at: start + i * 4,
    mask: masks.readUInt32BE(i * 4),
    value: values.readUInt32BE(i * 4),
  })).filter((key) => key.mask !== 0);
}

/** Matches frames with this source address in the Ethernet header. @param mac six bytes */
export const sourceMac = (mac: Uint8Array): readonly Key[] => bytesAt(SOURCE_MAC, mac);

/**
 * Joins keys that read the same word, in the order of their first ones. Keys that contradict each
 * other are a mistake of the caller.
 */
export function joined(...keys: readonly (readonly Key[])[]): readonly Key[] {
  const byOffset = new Map<number, Key>();
  for (const key of keys.flat()) {
    const earlier = byOffset.get(key.at) ?? { at: key.at, mask: 0, value: 0 };
    byOffset.set(key.at, {
      at: key.at,
      mask: (earlier.mask | key.mask) >>> 0,
      value: (earlier.value | key.value) >>> 0,
    });
  }
  return [...byOffset.values()];
}

/**
 * What happens to the frames of a match. A list of rules is tried in order; the first match counts.
 */
export interface FrameRule {
  readonly match: FrameMatch;
  /**
   * `up`: the netns' own stack gets the frame. `pass`: the redirect sends it on. `drop`: nobody
   * gets it.
   */
  readonly verdict: 'up' | 'pass' | 'drop';
}
