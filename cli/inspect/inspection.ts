import type { Counted } from '../../cni/bindings/tap/count-rules.ts';
import type { CountedFrames } from '../../cni/bindings/tap/floor.ts';
import type { Sysctls } from '../../shared/netns/part.ts';
import type { SpoofGuard } from '../../shared/record.ts';
import type { Reception } from '../../shared/rtnetlink/link.ts';
import type { MacvtapMode } from '../../shared/rtnetlink/macvtap.ts';

/** The wiring by Tapwire in one netns. --json prints it unchanged. */
export interface Inspection {
  /** Path by which the netns can be entered. */
  readonly netns: string;
  /** `namespace/name`; null if no cached CNI result on this node names the pod. */
  readonly pod: string | null;
  readonly attachments: readonly Attachment[];
  /** Sentences on filters and tables that look like Tapwire's but belong to no attachment. */
  readonly strays: readonly string[];
  /** The sysctls that the passt binding and guest services widen; null if the kernel lacks them. */
  readonly sysctls: Sysctls | null;
  /** State of the passt binding; null if no cached CNI result shows an ADD of it. */
  readonly passt: { readonly defects: readonly string[] } | null;
}

export type Attachment = TapAttachment | MacvtapAttachment;

interface CommonAttachment {
  readonly containerId: string;
  /** CNI_IFNAME of its ADD. */
  readonly ifname: string;
  /** Differences from the state after ADD, in the words of CHECK. */
  readonly defects: readonly string[];
}

/** Two links, and the redirects between them. */
export interface TapAttachment extends CommonAttachment {
  readonly binding: 'tap';
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
  readonly silence: Counted | null;
  /** What ADD arranged between guest, pod and network; null if every frame passes. */
  readonly passage: Passage | null;
}

export interface Passage {
  /** Null unless the tap serves the guest. */
  readonly services: Services | null;
  /** Null without a spoof guard. */
  readonly guard: Guard | null;
  /** Frames of the guest that nobody got; null if the nftables table is gone or changed. */
  readonly dropped: number | null;
}

/** Frames that ended at the tap or the pod link. */
export interface Services {
  /** For the guest's servers. Null if the nftables table is gone or changed. */
  readonly served: readonly CountedFrames[] | null;
  /** From foreign servers. Null if the nftables table is gone or changed. */
  readonly isolated: readonly CountedFrames[] | null;
  /** The IPv6 gateway that ADD told the sidecar; null if it told none. */
  readonly router: Router | null;
}

export interface Router {
  readonly address: string;
  readonly mac: string | null;
}

export interface Guard {
  /** The source MAC, or that and every address. */
  readonly compares: Exclude<SpoofGuard, 'off'>;
  /** One classic BPF program, or u32 filters; null if both are gone. */
  readonly form: 'program' | 'filters' | null;
}

/** A link of the pod on a device of the node, and the device node by which QEMU gets its frames. */
export interface MacvtapAttachment extends CommonAttachment {
  readonly binding: 'macvtap';
  /** Null if it is no longer in the node's network namespace. */
  readonly lowerDevice: LowerDeviceSeen | null;
  /** Name of the lower device when ADD ran. */
  readonly lowerDeviceAtAdd: string;
  readonly macvtap: Macvtap;
  /** Null if it does not exist. */
  readonly deviceNode: DeviceNodeSeen | null;
  /**
   * Full name of the resource that the device belongs to. Null if no resource of the node policy
   * file has this index.
   */
  readonly resource: string | null;
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

export interface LowerDeviceSeen extends Omit<PodLink, 'addresses'>, Reception {}

export interface Macvtap {
  readonly name: string;
  /** Also the number in the name of the device node. */
  readonly ifindex: number;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  readonly isUp: boolean;
  /** Null if Tapwire does not know it. */
  readonly mode: MacvtapMode | null;
  readonly queues: number;
  readonly allmulticast: boolean;
  readonly promisc: boolean;
  /** Whether the pod's own stack may use IPv6 on it. */
  readonly hasIpv6: boolean;
  /** Processes of any pod that have its device open, by whatever device node. */
  readonly holders: readonly Holder[];
}

/** The file /dev/tap<ifindex> of the node. */
export interface DeviceNodeSeen {
  readonly path: string;
  /** `major:minor`; null if it is not a character device. */
  readonly device: string | null;
  /** `major:minor` of the macvtap; null if the kernel does not tell. */
  readonly wanted: string | null;
  readonly owner: number;
  readonly group: number;
  /** Permissions as octal digits, such as `0600`. */
  readonly mode: string;
}

/** A process that has a tap or macvtap open. */
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
