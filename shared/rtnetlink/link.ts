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
  /** Lower-case colon form; empty where the link has none. */
  readonly mac: string;
  readonly ifalias: string | null;
  readonly tun: TunDetails | null;
}
