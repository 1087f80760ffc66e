import {
  type Attributes,
  decodeAttributes,
  inside,
  readBytes,
  readText,
  readU8,
  readU32,
  text,
  u32,
  type Words,
} from '../netlink/attribute.ts';
import { type Message, NLM_F_ACK, NLM_F_DUMP, type Query } from '../netlink/message.ts';

/** Properties of a tun/tap link (`ip -d link show`). */
export interface TunDetails {
  readonly mode: 'tun' | 'tap';
  /** Uid that may attach; null for anyone who can open /dev/net/tun. */
  readonly owner: number | null;
  readonly group: number | null;
  readonly multiQueue: boolean;
  readonly persist: boolean;
}

/** Properties of a macvtap (`ip -d link show`). */
export interface MacvtapDetails {
  /** MACVLAN_MODE_* of linux/if_link.h. */
  readonly mode: number;
  /** Whether IPv6 is on, so that the pod's own stack may send on the link. */
  readonly hasIpv6: boolean;
  /** Ifindex of the lower device in its own netns; null if the kernel does not tell. */
  readonly lower: number | null;
  readonly queues: number;
}

/** One link of a netns. */
export interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  /** Kind of the link (`veth`, `tun`, `macvlan`, …); null for a physical device. */
  readonly kind: string | null;
  /** ARPHRD_* of linux/if_arp.h; 1 is Ethernet. */
  readonly type: number;
  /** IFF_* of linux/if.h. */
  readonly flags: number;
  /**
   * Whether the other end is ready: the peer of a veth is up, or a process has the tap open. Also
   * valid for a link that is down.
   */
  readonly hasCarrier: boolean;
  /** MTU in bytes. */
  readonly mtu: number;
  /** Length of the queue in frames; 0 means that frames are never queued. */
  readonly txqlen: number;
  /** Lower-case octets separated by ":"; empty if the link has no MAC address. */
  readonly mac: string;
  readonly ifalias: string | null;
  readonly tun: TunDetails | null;
  readonly macvtap: MacvtapDetails | null;
  /** Ifindex of the link to which it belongs, such as a bridge; null without one. */
  readonly master: number | null;
  /**
   * Mode of ipvlan and netkit, whose L3 modes do not carry Ethernet frames; null for other kinds.
   */
  readonly layer: 'L2' | 'L3' | null;
  /** Id of the XDP program, which sees each frame first; null without one. */
  readonly xdp: number | null;
}

export const IFF_UP = 0x1;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const ARPHRD_ETHER = 1;

// linux/rtnetlink.h
const RTM_GETLINK = 18;
// linux/if_link.h
export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_LINK = 5;
const IFLA_MASTER = 10;
export const IFLA_TXQLEN = 13;
export const IFLA_LINKINFO = 18;
export const IFLA_IFALIAS = 20;
export const IFLA_AF_SPEC = 26;
const IFLA_EXT_MASK = 29;
const IFLA_PROMISCUITY = 30;
export const IFLA_NUM_TX_QUEUES = 31;
const IFLA_CARRIER = 33;
const IFLA_XDP = 43;
const IFLA_ALLMULTI = 61;
const IFLA_XDP_PROG_ID = 4;
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
const IFLA_TUN_OWNER = 1;
const IFLA_TUN_GROUP = 2;
const IFLA_TUN_TYPE = 3;
const IFLA_TUN_PERSIST = 6;
const IFLA_TUN_MULTI_QUEUE = 7;
const IFLA_IPVLAN_MODE = 1;
const IFLA_NETKIT_MODE = 4;
export const IFLA_MACVLAN_MODE = 1;
const AF_INET6 = 10;
const IFLA_INET6_CONF = 2;
/** Place of disable_ipv6 in IFLA_INET6_CONF, in bytes (linux/ipv6.h, DEVCONF_DISABLE_IPV6). */
const DISABLE_IPV6 = 26 * 4;

const IFINFOMSG_BYTES = 16;
/** Omits unused statistics, half of a dump. */
const RTEXT_FILTER_SKIP_STATS = 1 << 3;

/** struct ifinfomsg; `changed` selects the flags to set to their values in `flags`. */
export const ifinfomsg = (ifindex: number, flags = 0, changed = 0): Words => [0, ifindex, flags, changed];

/** Queries all links of the netns. */
export const allLinks: Query<readonly Link[]> = {
  request: {
    type: RTM_GETLINK,
    flags: NLM_F_DUMP,
    body: [...ifinfomsg(0), ...u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)],
  },
  keep: {
    limit: 8 * 1024 * 1024, // some 14,000 links
    types: [
      IFLA_ADDRESS,
      IFLA_IFNAME,
      IFLA_MTU,
      IFLA_LINK,
      IFLA_MASTER,
      IFLA_TXQLEN,
      IFLA_LINKINFO,
      IFLA_IFALIAS,
      IFLA_AF_SPEC,
      IFLA_NUM_TX_QUEUES,
      IFLA_CARRIER,
      IFLA_XDP,
    ],
    body: IFINFOMSG_BYTES,
  },
  isList: true,
  isUsefulInPart: true,
  decode: (replies) => replies.map(decodeLink),
};

/** Queries the link of this name. The kernel refuses if there is none. */
export const linkNamed = (ifname: string): Query<Link | undefined> => ({
  request: { type: RTM_GETLINK, flags: NLM_F_ACK, body: [...ifinfomsg(0), ...text(IFLA_IFNAME, ifname)] },
  decode: (replies) => replies.map(decodeLink)[0],
});

/** Whether a link receives frames to other addresses, also on behalf of macvtaps on it. */
export interface Reception {
  /** All multicast frames; null before Linux 6.0, which does not tell. */
  readonly allmulticast: boolean | null;
  readonly promisc: boolean;
}

/** Queries the link of this ifindex. The kernel refuses if there is none. */
export const linkAt = (ifindex: number): Query<{ link: Link; reception: Reception } | undefined> => ({
  request: { type: RTM_GETLINK, flags: NLM_F_ACK, body: ifinfomsg(ifindex) },
  decode: ([reply]) => reply && { link: decodeLink(reply), reception: decodeReception(reply) },
});

/** The flags of a link say only what was set for itself; the counters include the links on it. */
function decodeReception({ body }: Message): Reception {
  const attributes = decodeAttributes(body, IFINFOMSG_BYTES);
  const allmulticast = readU32(attributes, IFLA_ALLMULTI);
  return {
    allmulticast: allmulticast === undefined ? null : allmulticast > 0,
    promisc: (readU32(attributes, IFLA_PROMISCUITY) ?? 0) > 0,
  };
}

export function decodeLink({ body }: Pick<Message, 'body'>): Link {
  const attributes = decodeAttributes(body, IFINFOMSG_BYTES);
  const info = inside(attributes, IFLA_LINKINFO);
  const kind = readText(info, IFLA_INFO_KIND) ?? null;
  const data = inside(info, IFLA_INFO_DATA);
  return {
    ifindex: body.readInt32LE(4),
    ifname: readText(attributes, IFLA_IFNAME) ?? '',
    kind,
    type: body.readUInt16LE(2),
    flags: body.readUInt32LE(8),
    hasCarrier: readU8(attributes, IFLA_CARRIER) === 1,
    mtu: readU32(attributes, IFLA_MTU) ?? 0,
    txqlen: readU32(attributes, IFLA_TXQLEN) ?? 0,
    mac: formatMac(readBytes(attributes, IFLA_ADDRESS)),
    ifalias: readText(attributes, IFLA_IFALIAS) ?? null,
    tun: kind === 'tun' ? decodeTun(data) : null,
    macvtap: kind === 'macvtap' ? decodeMacvtap(data, attributes) : null,
    master: readU32(attributes, IFLA_MASTER) ?? null,
    layer: decodeLayer(kind, data),
    xdp: readU32(inside(attributes, IFLA_XDP), IFLA_XDP_PROG_ID) ?? null,
  };
}

/** Formats a link-layer address as octets separated by ":". */
export const formatMac = (octets: Buffer = Buffer.alloc(0)): string =>
  Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':');

function decodeTun(data: Attributes): TunDetails {
  const IFF_TAP = 2;
  return {
    mode: readU8(data, IFLA_TUN_TYPE) === IFF_TAP ? 'tap' : 'tun',
    owner: readU32(data, IFLA_TUN_OWNER) ?? null,
    group: readU32(data, IFLA_TUN_GROUP) ?? null,
    multiQueue: readU8(data, IFLA_TUN_MULTI_QUEUE) === 1,
    persist: readU8(data, IFLA_TUN_PERSIST) === 1,
  };
}

function decodeMacvtap(data: Attributes, attributes: Attributes): MacvtapDetails {
  const conf = readBytes(inside(inside(attributes, IFLA_AF_SPEC), AF_INET6), IFLA_INET6_CONF);
  return {
    mode: readU32(data, IFLA_MACVLAN_MODE) ?? 0,
    hasIpv6: conf !== undefined && conf.length >= DISABLE_IPV6 + 4 && conf.readInt32LE(DISABLE_IPV6) === 0,
    lower: readU32(attributes, IFLA_LINK) ?? null,
    queues: readU32(attributes, IFLA_NUM_TX_QUEUES) ?? 1,
  };
}

/**
 * Decodes the mode. Both kinds use 0 for L2. ipvlan's mode has 16 bits and netkit's 32, but all
 * values fit in the first byte.
 */
function decodeLayer(kind: string | null, data: Attributes): Link['layer'] {
  if (kind === 'ipvlan') return readU8(data, IFLA_IPVLAN_MODE) === 0 ? 'L2' : 'L3';
  if (kind === 'netkit') return readU8(data, IFLA_NETKIT_MODE) === 0 ? 'L2' : 'L3';
  return null;
}
