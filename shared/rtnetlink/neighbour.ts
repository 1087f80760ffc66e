import { macBytes } from '../mac.ts';
import { attribute, decodeAttributes, readBytes, u32, type Words } from '../netlink/attribute.ts';
import {
  type Message,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  type Query,
  type Request,
} from '../netlink/message.ts';
import { AF_INET, AF_INET6, formatAddress, parseAddress } from './address.ts';
import { formatMac } from './link.ts';

/** An entry of the ARP or neighbour table (`ip neigh show`). */
export interface Neighbour {
  readonly ifindex: number;
  /** Text, such as `10.0.0.1` or `fe80::1`. */
  readonly address: string;
  /** Lower-case octets separated by ":"; null if the kernel does not know it. */
  readonly mac: string | null;
  /** NUD_* of linux/neighbour.h. */
  readonly state: number;
}

export const NUD_PERMANENT = 0x80;

// linux/rtnetlink.h
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
// linux/neighbour.h
const NDMSG_BYTES = 12;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_IFINDEX = 8;

/** Queries the neighbours of a link, IPv4 and IPv6. Kernels before 4.4 list those of all links. */
export const neighboursOf = (ifindex: number): Query<readonly Neighbour[]> => ({
  request: { type: RTM_GETNEIGH, flags: NLM_F_DUMP, body: [...ndmsg(0, 0, 0), ...u32(NDA_IFINDEX, ifindex)] },
  keep: {
    limit: 1024 * 1024, // some 15,000 neighbours
    types: [NDA_DST, NDA_LLADDR],
    body: NDMSG_BYTES,
  },
  isList: true,
  decode: (replies) =>
    replies
      .filter(({ body }) => body[0] === AF_INET || body[0] === AF_INET6)
      .map(decodeNeighbour)
      .filter((neighbour) => neighbour.ifindex === ifindex),
});

function decodeNeighbour({ body }: Message): Neighbour {
  const attributes = decodeAttributes(body, NDMSG_BYTES);
  const address = readBytes(attributes, NDA_DST);
  const mac = readBytes(attributes, NDA_LLADDR);
  return {
    ifindex: body.readUInt32LE(4),
    address: address === undefined ? '' : formatAddress(address),
    mac: mac === undefined ? null : formatMac(mac),
    state: body.readUInt16LE(8),
  };
}

/** `ip neigh replace A lladdr MAC dev L nud permanent` */
export function neighbourAddition(ifindex: number, address: string, mac: string): Request {
  const family = address.includes(':') ? AF_INET6 : AF_INET;
  return {
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    body: [
      ...ndmsg(family, ifindex, NUD_PERMANENT),
      ...attribute(NDA_DST, parseAddress(address)),
      ...attribute(NDA_LLADDR, macBytes(mac)),
    ],
  };
}

/** struct ndmsg. */
const ndmsg = (family: number, ifindex: number, state: number): Words => [family, ifindex, state];
