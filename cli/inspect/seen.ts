import type { DeviceNode } from '../../cni/kernel/device-node.ts';
import type { IndexedNetns } from '../../cni/plan/seen.ts';
import type { DeviceNumber } from '../../shared/netns/netns.ts';
import type { Sysctls } from '../../shared/netns/part.ts';
import type { Address } from '../../shared/rtnetlink/address.ts';
import type { CountedFilter } from '../../shared/rtnetlink/counters.ts';
import { IFF_UP, type Link, type Reception } from '../../shared/rtnetlink/link.ts';
import type { Holder, Router } from './inspection.ts';

/** Everything that was observed in a netns. */
export interface Seen extends IndexedNetns<CountedFilter> {
  readonly addresses: readonly Address[];
  readonly sysctls: Sysctls | null;
  /** Processes that have a tap open, by name of the tap. */
  readonly holders: ReadonlyMap<string, readonly Holder[]>;
  /** The routers that ADD told sidecars, by name of the tap. */
  readonly routers: ReadonlyMap<string, Router>;
  /** Frames that the filters of a link have dropped, by ifindex. */
  readonly drops: ReadonlyMap<number, number>;
  /** What the node has for a macvtap, by name of the macvtap. */
  readonly macvtaps: ReadonlyMap<string, MacvtapOnNode>;
}

/** What belongs to a macvtap, but is not in the pod's netns. */
export interface MacvtapOnNode {
  /** Null: it is not in the node's netns. */
  readonly lower: { readonly link: Link; readonly reception: Reception } | null;
  /** The number that the device node must have. */
  readonly number: DeviceNumber | null;
  readonly node: DeviceNode | null;
  /** Path of the device node. */
  readonly path: string;
  /** Full name of its resource; null: no resource of the node policy file has its index. */
  readonly resource: string | null;
  readonly holders: readonly Holder[];
}

export const isUp = ({ flags }: Link): boolean => (flags & IFF_UP) !== 0;
