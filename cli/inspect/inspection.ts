import type { Dropped } from '../../cni/bindings/tap/silence.ts';
import type { Sysctls } from '../../shared/netns/part.ts';

/** What Tapwire has wired in one netns; printed as it is by --json. */
export interface Inspection {
  /** A path by which the netns can be entered. */
  readonly netns: string;
  /** `namespace/name`; null where the runtime's results on this node do not tell. */
  readonly pod: string | null;
  readonly attachments: readonly Attachment[];
  /** What is Tapwire's and belongs to none of the attachments, in words. */
  readonly strays: readonly string[];
  /** What the passt binding widens; null where the kernel has no such things. */
  readonly sysctls: Sysctls | null;
  /** Whether ADD of the passt binding ran here, which only the runtime's results tell; null: not that we know. */
  readonly passt: { readonly defects: readonly string[] } | null;
}

/** One attachment of the tap binding: two links, and what goes from one to the other. */
export interface Attachment {
  readonly containerId: string;
  /** CNI_IFNAME of the ADD. */
  readonly ifname: string;
  readonly binding: 'tap';
  /** Null where it is gone. */
  readonly podLink: PodLink | null;
  readonly tap: Tap;
  /** From the pod link to the tap; null where nothing takes frames there. */
  readonly toTap: Redirect | null;
  readonly toPodLink: Redirect | null;
  /** Filters and programs of others that see frames before Tapwire's redirect does and may keep them. */
  readonly filters: readonly FilterSeen[];
  /** What the pod's own stack wanted to send on both links, and nftables dropped; null if nothing keeps it from sending. */
  readonly silence: Dropped | null;
  /** What is not as ADD left it, in the words of CNI's CHECK. */
  readonly defects: readonly string[];
}

export interface FilterSeen {
  /** At whose ingress it is: the pod link's or the tap's. */
  readonly link: string;
  /** In words: `a u32 filter at pref 10`. */
  readonly filter: string;
  /** `deadly` if it is known to keep all frames, or all of IPv4, ARP or IPv6. */
  readonly verdict: 'deadly' | 'unknown';
}

export interface PodLink {
  readonly name: string;
  /** Null for a physical device. */
  readonly kind: string | null;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  readonly isUp: boolean;
  /** Whether the other end is there; of a tap, a process that has it open. */
  readonly hasCarrier: boolean;
  /** With prefix length. */
  readonly addresses: readonly string[];
}

export interface Tap {
  readonly name: string;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  readonly isUp: boolean;
  /** Uid that may attach; null: anyone. */
  readonly owner: number | null;
  readonly group: number | null;
  readonly multiQueue: boolean;
  readonly persistent: boolean;
  readonly holders: readonly Holder[];
}

/** A process that has a tap open. */
export interface Holder {
  readonly pid: number;
  readonly program: string;
  /** Each open descriptor is one. */
  readonly queues: number;
}

export interface Redirect {
  readonly classifier: string;
  readonly packets: number;
  /** Without Ethernet headers. */
  readonly bytes: number;
}
