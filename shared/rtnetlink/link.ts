import { AF_INET6 } from './address.ts';
import {
  type Attributes,
  attribute,
  decodeAttributes,
  inside,
  type Message,
  nested,
  readText,
  readU32,
  u8,
  u32,
} from './message.ts';
import type { Refusal, Rtnetlink } from './socket.ts';

/** What the kernel says of a tun/tap link (`ip -d link show`). */
export interface TunDetails {
  readonly mode: 'tun' | 'tap';
  /** Uid that may attach; null: anyone who can open /dev/net/tun. */
  readonly owner: number | null;
  readonly group: number | null;
  readonly multiQueue: boolean;
  readonly persist: boolean;
}

/** One link of a netns. */
export interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  /** rtnl link kind (`veth`, `tun`, `macvlan`, …); null for a physical device. */
  readonly kind: string | null;
  /** ARPHRD_* of linux/if_arp.h; 1 is Ethernet. */
  readonly type: number;
  /** IFF_* of linux/if.h. */
  readonly flags: number;
  /** Bytes. */
  readonly mtu: number;
  /** Frames. 0: none is ever queued. */
  readonly txqlen: number;
  /** Lower-case colon form; empty where the link has none. */
  readonly mac: string;
  readonly ifalias: string | null;
  readonly tun: TunDetails | null;
  /** Of ipvlan and netkit, whose L3 modes carry no Ethernet frames; else null. */
  readonly layer: 'L2' | 'L3' | null;
}

export const IFF_UP = 0x1;
export const IFF_ALLMULTI = 0x200;
export const ARPHRD_ETHER = 1;

// linux/rtnetlink.h
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
// linux/if_link.h
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_TXQLEN = 13;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_AF_SPEC = 26;
const IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_TUN_OWNER = 1;
const IFLA_TUN_GROUP = 2;
const IFLA_TUN_TYPE = 3;
const IFLA_TUN_PERSIST = 6;
const IFLA_TUN_MULTI_QUEUE = 7;
const IFLA_IPVLAN_MODE = 1;
const IFLA_NETKIT_MODE = 4;
const IFLA_INET6_ADDR_GEN_MODE = 8;

const IFINFOMSG_BYTES = 16;
/** Statistics are half of a dump's bytes and nobody here reads them. */
const RTEXT_FILTER_SKIP_STATS = 1 << 3;

/** What SETLINK can change, one request each; the forms are those of ip(8). */
export type LinkChange =
  /** `ip link set dev L mtu N` */
  | { readonly set: 'mtu'; readonly mtu: number }
  /** `ip link set dev L txqueuelen N` */
  | { readonly set: 'txqueuelen'; readonly txqlen: number }
  /** `ip link set dev L alias TEXT`; at most 255 bytes */
  | { readonly set: 'alias'; readonly ifalias: string }
  /** `ip link set dev L addrgenmode none`: no link-local address of its own when it goes up */
  | { readonly set: 'addrgenmode none' }
  /** `ip link set dev L up|down` */
  | { readonly set: 'up'; readonly on: boolean }
  /** `ip link set dev L allmulticast on|off` */
  | { readonly set: 'allmulticast'; readonly on: boolean };

/** All links of the netns, by ifindex. */
export async function dumpLinks(rtnetlink: Rtnetlink): Promise<readonly Link[]> {
  const body = Buffer.concat([ifinfomsg(0), u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)]);
  return (await rtnetlink.dump({ type: RTM_GETLINK, flags: 0, body })).map(decodeLink);
}

export function setLink(rtnetlink: Rtnetlink, ifindex: number, change: LinkChange): Promise<Refusal | null> {
  return rtnetlink.request({ type: RTM_SETLINK, flags: 0, body: encodeChange(ifindex, change) });
}

/** Waits about 18 ms for RCU when the link is a tap, long after it is gone from the netns. */
export function deleteLink(rtnetlink: Rtnetlink, ifindex: number): Promise<Refusal | null> {
  return rtnetlink.request({ type: RTM_DELLINK, flags: 0, body: ifinfomsg(ifindex) });
}

function encodeChange(ifindex: number, change: LinkChange): Buffer {
  switch (change.set) {
    case 'mtu':
      return Buffer.concat([ifinfomsg(ifindex), u32(IFLA_MTU, change.mtu)]);
    case 'txqueuelen':
      return Buffer.concat([ifinfomsg(ifindex), u32(IFLA_TXQLEN, change.txqlen)]);
    case 'alias':
      return Buffer.concat([ifinfomsg(ifindex), attribute(IFLA_IFALIAS, Buffer.from(change.ifalias))]);
    case 'addrgenmode none': {
      const IN6_ADDR_GEN_MODE_NONE = 1;
      const inet6 = nested(AF_INET6, u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE));
      return Buffer.concat([ifinfomsg(ifindex), nested(IFLA_AF_SPEC, inet6)]);
    }
    case 'up':
      return ifinfomsg(ifindex, change.on ? IFF_UP : 0, IFF_UP);
    case 'allmulticast':
      return ifinfomsg(ifindex, change.on ? IFF_ALLMULTI : 0, IFF_ALLMULTI);
  }
}

/** struct ifinfomsg; `changed` selects the flags that `flags` has the new values of. */
function ifinfomsg(ifindex: number, flags = 0, changed = 0): Buffer {
  const body = Buffer.alloc(IFINFOMSG_BYTES);
  body.writeInt32LE(ifindex, 4);
  body.writeUInt32LE(flags, 8);
  body.writeUInt32LE(changed, 12);
  return body;
}

export function decodeLink({ body }: Pick<Message, 'body'>): Link {
  const attributes = decodeAttributes(body.subarray(IFINFOMSG_BYTES));
  const info = inside(attributes, IFLA_LINKINFO);
  const kind = readText(info.get(IFLA_INFO_KIND)) ?? null;
  const data = inside(info, IFLA_INFO_DATA);
  return {
    ifindex: body.readInt32LE(4),
    ifname: readText(attributes.get(IFLA_IFNAME)) ?? '',
    kind,
    type: body.readUInt16LE(2),
    flags: body.readUInt32LE(8),
    mtu: readU32(attributes.get(IFLA_MTU)) ?? 0,
    txqlen: readU32(attributes.get(IFLA_TXQLEN)) ?? 0,
    mac:
      attributes
        .get(IFLA_ADDRESS)
        ?.toString('hex')
        .replace(/(..)(?!$)/g, '$1:') ?? '',
    ifalias: readText(attributes.get(IFLA_IFALIAS)) ?? null,
    tun: kind === 'tun' ? decodeTun(data) : null,
    layer: decodeLayer(kind, data),
  };
}

function decodeTun(data: Attributes): TunDetails {
  const IFF_TAP = 2;
  return {
    mode: data.get(IFLA_TUN_TYPE)?.[0] === IFF_TAP ? 'tap' : 'tun',
    owner: readU32(data.get(IFLA_TUN_OWNER)) ?? null,
    group: readU32(data.get(IFLA_TUN_GROUP)) ?? null,
    multiQueue: data.get(IFLA_TUN_MULTI_QUEUE)?.[0] === 1,
    persist: data.get(IFLA_TUN_PERSIST)?.[0] === 1,
  };
}

/** Both kinds count 0 as L2. ipvlan's mode is 16 bits wide, netkit's 32; the values fit in the first byte. */
function decodeLayer(kind: string | null, data: Attributes): Link['layer'] {
  if (kind === 'ipvlan') return data.get(IFLA_IPVLAN_MODE)?.[0] === 0 ? 'L2' : 'L3';
  if (kind === 'netkit') return data.get(IFLA_NETKIT_MODE)?.[0] === 0 ? 'L2' : 'L3';
  return null;
}
