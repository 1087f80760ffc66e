import { decodeAttributes, readBytes } from '../netlink/attribute.ts';
import { type Message, NLM_F_DUMP, type Query } from '../netlink/message.ts';

/** An address of a link (`ip addr show`). */
export interface Address {
  readonly ifindex: number;
  readonly family: 'inet' | 'inet6';
  /** Text without the prefix length, such as `10.0.0.5` or `2001:db8::5`. */
  readonly local: string;
  readonly prefixLength: number;
  readonly scope: 'global' | 'site' | 'link' | 'host';
}

const RTM_GETADDR = 22;
const IFADDRMSG_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
/**
 * RT_SCOPE_* of linux/rtnetlink.h. The administrator of a node may define others, which count as
 * global.
 */
const SCOPES = new Map<number, Address['scope']>([
  [200, 'site'],
  [253, 'link'],
  [254, 'host'],
]);

export const AF_INET = 2;
export const AF_INET6 = 10;

/** Queries all IPv4 and IPv6 addresses of the netns. */
export const allAddresses: Query<readonly Address[]> = {
  request: { type: RTM_GETADDR, flags: NLM_F_DUMP, body: [0, 0] },
  keep: {
    limit: 1024 * 1024, // some 20,000 addresses
    types: [IFA_ADDRESS, IFA_LOCAL],
    body: IFADDRMSG_BYTES,
  },
  isList: true,
  decode: (replies) =>
    replies.filter(({ body }) => body[0] === AF_INET || body[0] === AF_INET6).map(decodeAddress),
};

function decodeAddress({ body }: Message): Address {
  const attributes = decodeAttributes(body, IFADDRMSG_BYTES);
  // On a point-to-point link, IFA_ADDRESS is the peer's address and IFA_LOCAL that of the link.
  // Most IPv6 addresses have only IFA_ADDRESS.
  const local = readBytes(attributes, IFA_LOCAL) ?? readBytes(attributes, IFA_ADDRESS);
  return {
    ifindex: body.readUInt32LE(4),
    family: body[0] === AF_INET ? 'inet' : 'inet6',
    local: local === undefined ? '' : formatAddress(local),
    prefixLength: body.readUInt8(1),
    scope: SCOPES.get(body.readUInt8(3)) ?? 'global',
  };
}

/** Formats four or sixteen bytes in network byte order; IPv6 in canonical form. */
export function formatAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return canonicalAddress(
    Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(':'),
  );
}

/**
 * Returns an address in the form that `formatAddress` gives: IPv6 in its shortest form, in lower
 * case (RFC 5952).
 */
export function canonicalAddress(address: string): string {
  // Node's URL parser writes IPv6 addresses in canonical form.
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}
