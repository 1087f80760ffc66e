import type { Dropped } from '../../cni/bindings/tap/silence.ts';
import type { CniBinding } from '../../shared/bindings.ts';
import type { Sysctls } from '../../shared/netns/part.ts';

/** The wiring by Tapwire in one netns. --json prints it unchanged. */
export interface Inspection {
  /** Path by which the netns can be entered. */
  readonly netns: string;
  /** `namespace/name`; null if no cached CNI result on this node names the pod. */
  readonly pod: string | null;
  readonly attachments: readonly Attachment[];
  /** Sentences on filters and tables that look like Tapwire's but belong to no attachment. */
  readonly strays: readonly string[];
  /** The sysctls that the passt binding widens; null if the kernel lacks them. */
  readonly sysctls: Sysctls | null;
  /** State of the passt binding; null if no cached CNI result shows an ADD of it. */
  readonly passt: { readonly defects: readonly string[] } | null;
}

/** One attachment of the tap binding: two links, and the redirects between them. */
export interface Attachment {
  readonly containerId: string;
  /** CNI_IFNAME of its ADD. */
  readonly ifname: string;
  readonly binding: CniBinding;
  /** Null if it no longer exists. */
  readonly podLink: PodLink | null;
  readonly tap: Tap;
  /** Redirect from the pod link to the tap; null if there is none. */
  readonly toTap: Redirect | null;
  /** Redirect from the tap to the pod link; null if there is none. */
  readonly toPodLink: Redirect | null;
  /**
   * Filters and programs of other software that see frames before Tapwire's redirect and may stop
   * them.
   */
  readonly filters: readonly FilterSeen[];
  /**
   * Frames of the pod's own stack that nftables dropped on both links; null if nothing silences the
   * pod.
   */
  readonly silence: Dropped | null;
  /** Differences from the state after ADD, in the words of CHECK. */
  readonly defects: readonly string[];
}

export interface FilterSeen {
  /** Link at whose ingress the filter is: the pod link or the tap. */
  readonly link: string;
  /** Description, such as `a u32 filter at pref 10`. */
  readonly filter: string;
  /** `deadly` if it certainly stops all frames, or all frames of IPv4, ARP or IPv6. */
  readonly verdict: 'deadly' | 'unknown';
}

export interface PodLink {
  readonly name: string;
  /** Kind of link in ip(8), such as `veth`; null for a physical device. */
  readonly kind: string | null;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  readonly isUp: boolean;
  /** Whether the other end is up. A tap has a carrier if a process has it open. */
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
  /** Uid that may open the tap; null for any. */
  readonly owner: number | null;
  /** Gid that may open the tap; null for any. */
  readonly group: number | null;
  readonly multiQueue: boolean;
  readonly persistent: boolean;
  readonly holders: readonly Holder[];
}

/** A process that has a tap open. */
export interface Holder {
  readonly pid: number;
  readonly program: string;
  /** Number of open descriptors: one for each queue. */
  readonly queues: number;
}

export interface Redirect {
  readonly classifier: string;
  readonly packets: number;
  /** Bytes without Ethernet headers. */
  readonly bytes: number;
}
