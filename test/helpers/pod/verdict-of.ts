/** Rules for frames, evaluated directly: what the kernel must do with each of their forms. */
import { ETHERTYPES, type FrameProtocol, type FrameRule } from '../../../shared/frame-match.ts';

export interface Frame {
  /** Without the VLAN tag, which the kernel keeps elsewhere. */
  readonly bytes: Buffer;
  /** Number of the VLAN in the tag; 0 is only a priority; null: no tag. */
  readonly vid: number | null;
}

/** @param hex with its VLAN tag */
export function frameOf(hex: string): Frame {
  const bytes = Buffer.from(hex, 'hex');
  if (!['8100', '88a8'].includes(hex.slice(24, 28))) return { bytes, vid: null };
  return {
    bytes: Buffer.concat([bytes.subarray(0, 12), bytes.subarray(16)]),
    vid: bytes.readUInt16BE(14) & 0xfff,
  };
}

/**
 * Returns the verdict of the first rule that matches. A frame that ends before a compared word goes
 * up, as with a program of classic BPF.
 */
export function verdictOf(rules: readonly FrameRule[], { bytes, vid }: Frame): FrameRule['verdict'] {
  const type = bytes.readUInt16BE(12);
  const sees = (protocol: FrameProtocol): boolean => {
    if (protocol === 'all') return true;
    if (vid !== null || protocol === 'vlan') return protocol === 'vlan' && (vid ?? 0) !== 0;
    return ETHERTYPES[protocol] === type;
  };
  for (const { match, verdict } of rules.filter(({ match }) => sees(match.protocol))) {
    let matches = true;
    for (const { at, mask, value } of match.keys) {
      if (18 + at > bytes.length) return 'up';
      matches = (bytes.readUInt32BE(14 + at) & mask) >>> 0 === value;
      if (!matches) break;
    }
    if (matches) return verdict;
  }
  return 'pass';
}
