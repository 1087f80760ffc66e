/**
 * The format of the expression "meta", which loads and writes properties of a packet.
 *
 * Source: linux/netfilter/nf_tables.h
 */
import type { Attributes, Words } from '../netlink/attribute.ts';
import type { Expression, MetaKey } from './expression.ts';
import { be32, readBe32 } from './message.ts';
import { NFT_REG_1 } from './payload.ts';

const NFTA_META_DREG = 1;
const NFTA_META_KEY = 2;
const NFTA_META_SREG = 3;
const NFT_META_PKTTYPE = 19;
/** NFT_META_* */
const META_KEYS: Readonly<Record<MetaKey, number>> = {
  iifname: 6,
  oifname: 7,
  nfproto: 15,
  l4proto: 16,
};

/** Encodes the attributes of an expression that loads a property into register 1. */
export const encodeMeta = (key: MetaKey): readonly Words[] => [
  be32(NFTA_META_DREG, NFT_REG_1),
  be32(NFTA_META_KEY, META_KEYS[key]),
];

/** Encodes the attributes of an expression that makes register 1 the packet's type. */
export const encodePacketType = (): readonly Words[] => [
  be32(NFTA_META_KEY, NFT_META_PKTTYPE),
  be32(NFTA_META_SREG, NFT_REG_1),
];

/** Returns null for what Tapwire does not write, such as another property. */
export function decodeMeta(data: Attributes): Expression | null {
  const code = readBe32(data, NFTA_META_KEY);
  if (code === NFT_META_PKTTYPE && readBe32(data, NFTA_META_SREG) === NFT_REG_1)
    return { is: 'setPacketType' };
  const key = (Object.keys(META_KEYS) as MetaKey[]).find((one) => META_KEYS[one] === code);
  return key !== undefined && readBe32(data, NFTA_META_DREG) === NFT_REG_1 ? { is: 'meta', key } : null;
}
