import { macBytes } from '../mac.ts';
import { attribute, nested, u8, u32, type Words } from '../netlink/attribute.ts';
import type { Request } from '../netlink/message.ts';
import { AF_INET, AF_INET6 } from './address.ts';
import {
  IFF_ALLMULTI,
  IFF_PROMISC,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_AF_SPEC,
  IFLA_IFALIAS,
  IFLA_MTU,
  IFLA_TXQLEN,
  ifinfomsg,
} from './link.ts';

/** A change of a link, one RTM_SETLINK request each, in the terms of ip(8). */
export type LinkChange =
  /** `ip link set dev L mtu N` */
  | { readonly set: 'mtu'; readonly mtu: number }
  /** `ip link set dev L address MAC` */
  | { readonly set: 'address'; readonly mac: string }
  /** `ip link set dev L txqueuelen N` */
  | { readonly set: 'txqueuelen'; readonly txqlen: number }
  /** `ip link set dev L alias TEXT`; at most 255 bytes */
  | { readonly set: 'alias'; readonly ifalias: string }
  /** `ip link set dev L addrgenmode none`: the link gets no link-local address when it goes up */
  | { readonly set: 'addrgenmode none' }
  /**
   * `sysctl net.ipv4.conf.L.accept_local=1 net.ipv4.conf.L.rp_filter=2`: the link accepts packets
   * from an address of the netns itself. A loose rp_filter, because a strict one would drop them.
   */
  | { readonly set: 'accept_local' }
  /** `ip link set dev L up|down` */
  | { readonly set: 'up'; readonly on: boolean }
  /** `ip link set dev L allmulticast on|off` */
  | { readonly set: 'allmulticast'; readonly on: boolean }
  /** `ip link set dev L promisc on|off` */
  | { readonly set: 'promisc'; readonly on: boolean };

// linux/rtnetlink.h
const RTM_DELLINK = 17;
const RTM_SETLINK = 19;
// linux/if_link.h
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IFLA_INET_CONF = 1;
// linux/ip.h
const IPV4_DEVCONF_RP_FILTER = 8;
const IPV4_DEVCONF_ACCEPT_LOCAL = 23;

export function linkChange(ifindex: number, change: LinkChange): Request {
  return { type: RTM_SETLINK, flags: 0, body: encodeChange(ifindex, change) };
}

/** `ip link del dev L` */
export function linkDeletion(ifindex: number): Request {
  return { type: RTM_DELLINK, flags: 0, body: ifinfomsg(ifindex) };
}

function encodeChange(ifindex: number, change: LinkChange): Words {
  switch (change.set) {
    case 'mtu':
      return [...ifinfomsg(ifindex), ...u32(IFLA_MTU, change.mtu)];
    case 'address':
      return [...ifinfomsg(ifindex), ...attribute(IFLA_ADDRESS, macBytes(change.mac))];
    case 'txqueuelen':
      return [...ifinfomsg(ifindex), ...u32(IFLA_TXQLEN, change.txqlen)];
    case 'alias':
      return [...ifinfomsg(ifindex), ...attribute(IFLA_IFALIAS, Buffer.from(change.ifalias))];
    case 'addrgenmode none': {
      const IN6_ADDR_GEN_MODE_NONE = 1;
      const inet6 = nested(AF_INET6, u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE));
      return [...ifinfomsg(ifindex), ...nested(IFLA_AF_SPEC, inet6)];
    }
    case 'accept_local': {
      const LOOSE = 2;
      const values = [...u32(IPV4_DEVCONF_ACCEPT_LOCAL, 1), ...u32(IPV4_DEVCONF_RP_FILTER, LOOSE)];
      const inet = nested(AF_INET, nested(IFLA_INET_CONF, values));
      return [...ifinfomsg(ifindex), ...nested(IFLA_AF_SPEC, inet)];
    }
    case 'up':
      return ifinfomsg(ifindex, change.on ? IFF_UP : 0, IFF_UP);
    case 'allmulticast':
      return ifinfomsg(ifindex, change.on ? IFF_ALLMULTI : 0, IFF_ALLMULTI);
    case 'promisc':
      return ifinfomsg(ifindex, change.on ? IFF_PROMISC : 0, IFF_PROMISC);
  }
}
