import { attribute, decodeAttributes, readBytes, readU32, u32, type Words } from '../netlink/attribute.ts';
import {
  type Message,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  type Query,
  type Request,
} from '../netlink/message.ts';

/** An address of a link (`ip addr show`). */
export interface Address {
  readonly ifindex: number;
  readonly family: 'inet' | 'inet6';
  /** Text without the prefix length, such as `10.0.0.5` or `2001:db8::5`. */
  readonly local: string;
  readonly prefixLength: number;
  readonly scope: 'global' | 'site' | 'link' | 'host';
  /**
   * Whether the kernel may not use the address yet, because it is still looking for duplicates, or
   * has found one.
   */
  readonly isTentative: boolean;
  /** Whether it stays, unlike one of a router advertisement or a DHCP lease. */
  readonly isPermanent: boolean;
}

/** An address to add. */
export interface NewAddress extends Pick<Address, 'family' | 'local' | 'prefixLength' | 'scope'> {
  /** Whether an IPv6 address can be used at once, without a search for duplicates. */
  readonly nodad: boolean;
}

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const IFADDRMSG_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_PERMANENT = 0x80;
/**
 * RT_SCOPE_* of linux/rtnetlink.h. The administrator of a node may define others, which count as
 * global.
 */
const SCOPES: Readonly<Record<Address['scope'], number>> = { global: 0, site: 200, link: 253, host: 254 };
const SCOPE_NAMES = new Map(
  Object.entries(SCOPES).map(([name, number]) => [number, name as Address['scope']] as const),
);

export const AF_INET = 2;
export const AF_INET6 = 10;

/** Queries all IPv4 and IPv6 addresses of the netns. */
export const allAddresses: Query<readonly Address[]> = {
  request: { type: RTM_GETADDR, flags: NLM_F_DUMP, body: [0, 0] },
  keep: {
    limit: 1024 * 1024, // some 20,000 addresses
    types: [IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS],
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
  // Flags above the eighth are only in the attribute.
  const flags = readU32(attributes, IFA_FLAGS) ?? body.readUInt8(2);
  return {
    ifindex: body.readUInt32LE(4),
    family: body[0] === AF_INET ? 'inet' : 'inet6',
    local: local === undefined ? '' : formatAddress(local),
    prefixLength: body.readUInt8(1),
    scope: SCOPE_NAMES.get(body.readUInt8(3)) ?? 'global',
    isTentative: (flags & IFA_F_TENTATIVE) !== 0,
    isPermanent: (flags & IFA_F_PERMANENT) !== 0,
  };
}

/**
 * `ip addr replace A/N dev L scope S [nodad]`. The kernel derives the scope of an IPv6 address from
 * the address.
 */
export const addressAddition = (ifindex: number, address: NewAddress): Request => ({
  type: RTM_NEWADDR,
  flags: NLM_F_CREATE | NLM_F_REPLACE,
  body: [
    ...encodeAddress(ifindex, address),
    ...u32(IFA_FLAGS, IFA_F_PERMANENT | (address.nodad ? IFA_F_NODAD : 0)),
  ],
});

/** `ip addr del A/N dev L` */
export const addressDeletion = (ifindex: number, address: NewAddress): Request => ({
  type: RTM_DELADDR,
  flags: 0,
  body: encodeAddress(ifindex, address),
});

function encodeAddress(ifindex: number, { family, local, prefixLength, scope }: NewAddress): Words {
  const bytes = parseAddress(local);
  const number = family === 'inet' ? AF_INET : AF_INET6;
  return [
    (number | (prefixLength << 8) | (SCOPES[scope] << 24)) >>> 0,
    ifindex,
    ...attribute(IFA_LOCAL, bytes),
    ...attribute(IFA_ADDRESS, bytes),
  ];
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

/** Returns the bytes of a valid address, four or sixteen in network byte order. */
export function parseAddress(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  // The canonical form has no dotted part, and `::` at most once.
  const [head = [], tail = []] = canonicalAddress(address)
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros: readonly string[] = Array(8 - head.length - tail.length).fill('0');
  const groups = [...head, ...zeros, ...tail].map((group) => group.padStart(4, '0'));
  return Buffer.from(groups.join(''), 'hex');
}

/** Returns the prefix that an address belongs to, such as `10.0.0.0/24`. */
export function prefixOf({ local, prefixLength }: Pick<Address, 'local' | 'prefixLength'>): string {
  const bytes = parseAddress(local);
  for (let i = 0; i < bytes.length; i++) {
    const bits = Math.min(8, Math.max(0, prefixLength - 8 * i));
    bytes[i] = (bytes[i] ?? 0) & (0xff << (8 - bits));
  }
  return `${formatAddress(bytes)}/${prefixLength}`;
}
