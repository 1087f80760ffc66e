import { macBytes } from '../mac.ts';
import { attribute, nested, text, u32 } from '../netlink/attribute.ts';
import { NLM_F_CREATE, NLM_F_EXCL, type Request } from '../netlink/message.ts';
import {
  IFLA_ADDRESS,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINK,
  IFLA_LINKINFO,
  IFLA_MACVLAN_MODE,
  IFLA_MTU,
  IFLA_NUM_TX_QUEUES,
  IFLA_TXQLEN,
  ifinfomsg,
} from './link.ts';

// linux/rtnetlink.h
const RTM_NEWLINK = 16;
// linux/if_link.h
const IFLA_NET_NS_FD = 28;
const IFLA_NUM_RX_QUEUES = 32;
const IFLA_MACVLAN_FLAGS = 2;
const MACVLAN_FLAG_NOPROMISC = 1;

/** MACVLAN_MODE_*, by the names of ip-link(8). */
const MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
export type MacvtapMode = keyof typeof MODES;
export const MACVTAP_MODES = Object.keys(MODES) as readonly MacvtapMode[];

/** Names a mode; undefined if Tapwire does not know it. */
export const macvtapModeOf = (number: number | undefined): MacvtapMode | undefined =>
  MACVTAP_MODES.find((mode) => MODES[mode] === number);

/** A macvtap to be created. */
export interface NewMacvtap {
  readonly ifname: string;
  readonly ifindex: number;
  /** Ifindex of the lower device in the netns that gets the request. */
  readonly lower: number;
  readonly mode: MacvtapMode;
  readonly mac: string;
  readonly mtu: number;
  /** Length of the queue in frames. With 0, QEMU gets no frames. */
  readonly txqlen: number;
  readonly queues: number;
  /** Whether mode passthru may turn on promiscuous mode of the lower device. */
  readonly promisc: boolean;
}

/**
 * `ip link add link LOWER name L index I address MAC mtu N txqueuelen N numtxqueues N numrxqueues N
 * netns N type macvtap mode M`. The link is down. In mode passthru, the kernel ignores `address`:
 * the link begins with the MAC of the lower device.
 *
 * @param netns descriptor of the netns for the link
 */
export function macvtapAddition(macvtap: NewMacvtap, netns: number): Request {
  const { ifname, ifindex, lower, mode, mac, mtu, txqlen, queues, promisc } = macvtap;
  const data = [
    ...u32(IFLA_MACVLAN_MODE, MODES[mode]),
    ...(mode === 'passthru' && !promisc
      ? attribute(IFLA_MACVLAN_FLAGS, Buffer.of(MACVLAN_FLAG_NOPROMISC, 0))
      : []),
  ];
  return {
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: [
      ...ifinfomsg(ifindex),
      ...text(IFLA_IFNAME, ifname),
      ...u32(IFLA_LINK, lower),
      ...u32(IFLA_NET_NS_FD, netns),
      ...attribute(IFLA_ADDRESS, macBytes(mac)),
      ...u32(IFLA_MTU, mtu),
      ...u32(IFLA_TXQLEN, txqlen),
      ...u32(IFLA_NUM_TX_QUEUES, queues),
      ...u32(IFLA_NUM_RX_QUEUES, queues),
      ...nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, 'macvtap'), nested(IFLA_INFO_DATA, data)),
    ],
  };
}
