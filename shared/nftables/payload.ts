/**
 * The format of the expression "payload", which loads and writes bytes of a packet.
 *
 * Source: linux/netfilter/nf_tables.h
 */
import type { Attributes, Words } from '../netlink/attribute.ts';
import type { Checksum, Expression, Header, Place } from './expression.ts';
import { be32, readBe32 } from './message.ts';

const NFTA_PAYLOAD_DREG = 1;
const NFTA_PAYLOAD_BASE = 2;
const NFTA_PAYLOAD_OFFSET = 3;
const NFTA_PAYLOAD_LEN = 4;
const NFTA_PAYLOAD_SREG = 5;
const NFTA_PAYLOAD_CSUM_TYPE = 6;
const NFTA_PAYLOAD_CSUM_OFFSET = 7;
const NFTA_PAYLOAD_CSUM_FLAGS = 8;
const NFT_PAYLOAD_CSUM_NONE = 0;
const NFT_PAYLOAD_CSUM_INET = 1;
const NFT_PAYLOAD_L4CSUM_PSEUDOHDR = 1;
/** In the order of NFT_PAYLOAD_*_HEADER. */
const HEADERS = ['link', 'network', 'transport'] as const satisfies readonly Header[];
/** The first of four registers of 16 bytes. Tapwire uses no other one. */
export const NFT_REG_1 = 1;

/** Encodes the attributes of an expression that loads bytes into register 1. */
export const encodeLoad = (place: Place): readonly Words[] => [
  be32(NFTA_PAYLOAD_DREG, NFT_REG_1),
  ...encodePlace(place),
];

/** Encodes the attributes of an expression that writes register 1. */
export const encodeWrite = (place: Place, checksum: Checksum): readonly Words[] => [
  be32(NFTA_PAYLOAD_SREG, NFT_REG_1),
  ...encodePlace(place),
  ...encodeChecksum(checksum),
];

const encodePlace = ({ header, offset, length }: Place): readonly Words[] => [
  be32(NFTA_PAYLOAD_BASE, HEADERS.indexOf(header)),
  be32(NFTA_PAYLOAD_OFFSET, offset),
  be32(NFTA_PAYLOAD_LEN, length),
];

const encodeChecksum = ({ offset, isPseudoHeader }: Checksum): readonly Words[] => [
  be32(NFTA_PAYLOAD_CSUM_TYPE, offset === null ? NFT_PAYLOAD_CSUM_NONE : NFT_PAYLOAD_CSUM_INET),
  be32(NFTA_PAYLOAD_CSUM_OFFSET, offset ?? 0),
  be32(NFTA_PAYLOAD_CSUM_FLAGS, isPseudoHeader ? NFT_PAYLOAD_L4CSUM_PSEUDOHDR : 0),
];

/** Returns null for what Tapwire does not write, such as the checksum of SCTP. */
export function decodePayload(data: Attributes): Expression | null {
  const header = HEADERS[readBe32(data, NFTA_PAYLOAD_BASE) ?? -1];
  const offset = readBe32(data, NFTA_PAYLOAD_OFFSET);
  const length = readBe32(data, NFTA_PAYLOAD_LEN);
  if (header === undefined || offset === undefined || length === undefined) return null;
  if (readBe32(data, NFTA_PAYLOAD_DREG) === NFT_REG_1) return { is: 'load', header, offset, length };
  const checksum = decodeChecksum(data);
  return checksum !== null && readBe32(data, NFTA_PAYLOAD_SREG) === NFT_REG_1
    ? { is: 'write', header, offset, length, checksum }
    : null;
}

function decodeChecksum(data: Attributes): Checksum | null {
  const type = readBe32(data, NFTA_PAYLOAD_CSUM_TYPE);
  const offset = readBe32(data, NFTA_PAYLOAD_CSUM_OFFSET);
  const flags = readBe32(data, NFTA_PAYLOAD_CSUM_FLAGS);
  if (offset === undefined || (flags !== 0 && flags !== NFT_PAYLOAD_L4CSUM_PSEUDOHDR)) return null;
  const isPseudoHeader = flags === NFT_PAYLOAD_L4CSUM_PSEUDOHDR;
  if (type === NFT_PAYLOAD_CSUM_INET) return { offset, isPseudoHeader };
  return type === NFT_PAYLOAD_CSUM_NONE ? { offset: null, isPseudoHeader } : null;
}
