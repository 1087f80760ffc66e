import { decodeAttributes, readBytes } from '../netlink/attribute.ts';
import { type Message, NLM_F_DUMP, type Query } from '../netlink/message.ts';

/** An address of a link (`ip addr show`). */
export interface Address {
  readonly ifindex: number;
  readonly family: 'inet' | 'inet6';
  /** Text form without the prefix length, `10.0.0.5` or `2001:db8::5`. */
  readonly local: string;
  readonly prefixLength: number;
  readonly scope: 'global' | 'site' | 'link' | 'host';
}

const RTM_GETADDR = 22;
const IFADDRMSG_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
/** linux/rtnetlink.h RT_SCOPE_*; anything else is a number that only the node's own admin knows. */
const SCOPES = new Map<number, Address['scope']>([
  [200, 'site'],
  [253, 'link'],
  [254, 'host'],
]);

export const AF_INET = 2;
export const AF_INET6 = 10;

/** All addresses of the netns, of both families. */
export const allAddresses: Query<readonly Address[]> = {
  request: { type: RTM_GETADDR, flags: NLM_F_DUMP, body: [0, 0] },
  decode: (answers) =>
    answers.filter(({ body }) => body[0] === AF_INET || body[0] === AF_INET6).map(decodeAddress),
};

function decodeAddress({ body }: Message): Address {
  const attributes = decodeAttributes(body, IFADDRMSG_BYTES);
  // On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL ours; IPv6 mostly has only the former.
  const local = readBytes(attributes, IFA_LOCAL) ?? readBytes(attributes, IFA_ADDRESS);
  return {
    ifindex: body.readUInt32LE(4),
    family: body[0] === AF_INET ? 'inet' : 'inet6',
    local: local === undefined ? '' : formatAddress(local),
    prefixLength: body.readUInt8(1),
    scope: SCOPES.get(body.readUInt8(3)) ?? 'global',
  };
}

/** Four or sixteen bytes in network order as text, IPv6 in its canonical form. */
export function formatAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return canonicalAddress(
    Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(':'),
  );
}

/** An address as the kernel's own is written here: IPv6 shortest and in lower case (RFC 5952). */
export function canonicalAddress(address: string): string {
  // The URL parser is Node's own canonical writer of IPv6 addresses.
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}
