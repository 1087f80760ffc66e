/**
 * The format of nftables messages: netlink's header, `struct nfgenmsg`, then attributes whose
 * integers are in network byte order.
 *
 * Source: linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
 */
import { type Attributes, readBytes, struct, u32, type Words } from '../netlink/attribute.ts';
import { NLM_F_ACK, type Request } from '../netlink/message.ts';

/**
 * Families in which Tapwire adds tables. `inet` is IPv4 and IPv6; `netdev` is every frame of one
 * link.
 */
const FAMILIES = ['inet', 'arp', 'netdev'] as const;
export type Family = (typeof FAMILIES)[number];
const FAMILY_NUMBERS: Readonly<Record<Family, number>> = { inet: 1, arp: 3, netdev: 5 }; // NFPROTO_*
/** In a query: tables of all families. */
const NFPROTO_UNSPEC = 0;

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
/**
 * Size in bytes of `struct nfgenmsg`: family, version and a 16-bit id, which only the two ends of a
 * batch use.
 */
export const NFGENMSG_BYTES = 4;

/**
 * Creates a request from its NFT_MSG_* type, NLM_F_* flags, family (null means all) and attributes.
 */
export const nftablesRequest = (
  type: number,
  flags: number,
  family: Family | null,
  ...attributes: readonly Words[]
): Request => ({
  type: (NFNL_SUBSYS_NFTABLES << 8) | type,
  flags,
  body: [family === null ? NFPROTO_UNSPEC : FAMILY_NUMBERS[family], ...attributes.flat()],
});

/** Whether a request is for nftables. The types of rtnetlink are smaller. */
export const isForNftables = ({ type }: Pick<Request, 'type'>): boolean => type >> 8 === NFNL_SUBSYS_NFTABLES;

/**
 * Frames requests that the kernel carries out together or not at all. The kernel acknowledges the
 * last request when all have succeeded, and reports every request that it refuses.
 */
export function batch(requests: readonly Request[]): readonly Request[] {
  const last = requests.length - 1;
  return [
    { type: NFNL_MSG_BATCH_BEGIN, flags: 0, body: BATCH_OF_NFTABLES },
    ...requests.map((request, i) =>
      i === last ? { ...request, flags: request.flags | NLM_F_ACK } : request,
    ),
    { type: NFNL_MSG_BATCH_END, flags: 0, body: BATCH_OF_NFTABLES },
  ];
}

/** `struct nfgenmsg` whose id is that of the subsystem, in network byte order. */
const BATCH_OF_NFTABLES: Words = [NFNL_SUBSYS_NFTABLES << 24];

/** Returns the family of a message; null if Tapwire does not add tables in that family. */
export const familyOf = (body: Buffer): Family | null =>
  FAMILIES.find((family) => FAMILY_NUMBERS[family] === body[0]) ?? null;

/** Encodes a 32-bit attribute, signed or unsigned, in network byte order. */
export const be32 = (type: number, value: number): Words => u32(type, swapped(value));

/** Encodes a 64-bit attribute in network byte order, of a number below 2^32. */
export const be64 = (type: number, value: number): Words => struct(type, [0, swapped(value)]);

const swapped = (value: number): number =>
  (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;

/** Returns the number in a 32-bit attribute; undefined if it is absent. */
export function readBe32(attributes: Attributes, type: number): number | undefined {
  const value = readBytes(attributes, type);
  return value?.length === 4 ? value.readUInt32BE() : undefined;
}

/** Returns the number in a 64-bit attribute; 0 if it is absent. */
export function readBe64(attributes: Attributes, type: number): number {
  const value = readBytes(attributes, type);
  return value?.length === 8 ? Number(value.readBigUInt64BE()) : 0;
}
