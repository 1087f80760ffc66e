import { unreachable } from '../../shared/errors.ts';
import type { FrameRule } from '../../shared/frame-match.ts';
import type { Sysctl } from '../../shared/netns/part.ts';
import type { NewAddress } from '../../shared/rtnetlink/address.ts';
import type { LinkChange } from '../../shared/rtnetlink/link-change.ts';
import type { NewMacvtap } from '../../shared/rtnetlink/macvtap.ts';

/** One change to one netns; links are named by ifname. */
export type Op =
  /** Adds a tap. It vanishes when this process exits, unless `persistTap` runs before. */
  | {
      readonly op: 'addTap';
      readonly link: string;
      readonly multiQueue: boolean;
      readonly owner: number | null;
      readonly group: number | null;
      readonly selinuxContext: string | null;
    }
  /**
   * Waits until the device node of an earlier macvtap of this ifindex is gone. The kernel deletes
   * the links of a netns some time after the netns.
   */
  | { readonly op: 'freeDeviceNode'; readonly ifindex: number }
  /** Adds a macvtap on a device of the node. */
  | { readonly op: 'addMacvtap'; readonly macvtap: NewMacvtap }
  /** Keeps the pod's own stack from using IPv6 on the link. */
  | { readonly op: 'disableIpv6'; readonly link: string }
  /** Lets it use IPv6 on the link, whatever the default of the netns. */
  | { readonly op: 'enableIpv6'; readonly link: string }
  /**
   * Makes /dev/tap<ifindex> the device node of this macvtap, and that of these ids alone. Verifies
   * it.
   */
  | {
      readonly op: 'claimDeviceNode';
      readonly link: string;
      readonly ifindex: number;
      readonly owner: number;
      readonly group: number;
    }
  /** Deletes a device node that no link has any more. */
  | { readonly op: 'deleteDeviceNode'; readonly ifindex: number }
  | { readonly op: 'persistTap'; readonly link: string }
  | { readonly op: 'setLink'; readonly link: string; readonly change: LinkChange }
  | { readonly op: 'deleteLink'; readonly link: string }
  | { readonly op: 'addClsact'; readonly link: string }
  | { readonly op: 'deleteClsact'; readonly link: string }
  /** Sends every frame that is received on `from` out through `to`. */
  | { readonly op: 'addRedirect'; readonly from: string; readonly to: string; readonly cookie: string }
  /** Deletes the redirect with this cookie. */
  | { readonly op: 'deleteRedirect'; readonly from: string; readonly cookie: string }
  /**
   * Drops what the netns' own stack sends on these links, which need not exist yet, except for what
   * serves the guest. `replaces` means that the table exists and is replaced.
   */
  | {
      readonly op: 'addSilence';
      readonly table: string;
      readonly podLink: string;
      readonly tap: string;
      /** Null: nothing is served. */
      readonly served: { readonly ipv6: boolean } | null;
      readonly replaces: boolean;
    }
  /** Does nothing if the table does not exist. */
  | { readonly op: 'deleteSilence'; readonly table: string }
  /**
   * Drops what the rules let through to the netns' own stack at the ingress of these links, except
   * for what serves the guest.
   */
  | {
      readonly op: 'addFloor';
      readonly table: string;
      readonly podLink: string;
      readonly tap: string;
      readonly serves: boolean;
      readonly replaces: boolean;
    }
  /** Does nothing if the table does not exist. */
  | { readonly op: 'deleteFloor'; readonly table: string }
  /**
   * Adds filters before the redirect of `link` that do what the rules say: as one program, if there
   * is a guard and the kernel can, otherwise as one filter for each rule.
   */
  | {
      readonly op: 'addRules';
      readonly link: string;
      /** The target of the redirect, and the cookie of those that the rules need. */
      readonly to: string;
      readonly cookie: string;
      readonly rules: readonly FrameRule[];
      readonly isGuard: boolean;
      /** Names the attachment in the class id of each filter. */
      readonly owner: number;
    }
  /** Deletes the filters of rules of this owner. */
  | { readonly op: 'deleteRules'; readonly link: string; readonly owner: number }
  | { readonly op: 'addAddress'; readonly link: string; readonly address: NewAddress }
  | { readonly op: 'deleteAddress'; readonly link: string; readonly address: NewAddress }
  /** Tells the sidecar the router, as a permanent neighbour of the tap: it may read neighbours. */
  | { readonly op: 'addNeighbour'; readonly link: string; readonly address: string; readonly mac: string }
  | { readonly op: 'setSysctl'; readonly sysctl: Sysctl; readonly value: string };

export const setLink = (link: string, change: LinkChange): Op => ({ op: 'setLink', link, change });

/**
 * A change, and the ops that undo it, in the order in which they run. The undo is empty if an
 * earlier step's undo covers this step, or if nothing should be undone.
 */
export interface Step {
  readonly do: Op;
  readonly undo: readonly Op[];
}

/** Names the links that must exist before the op runs. */
export function linksOf(op: Op): readonly string[] {
  switch (op.op) {
    case 'addTap':
    case 'addMacvtap':
    case 'freeDeviceNode':
    case 'deleteDeviceNode':
    case 'addSilence':
    case 'deleteSilence':
    case 'deleteFloor':
    case 'setSysctl':
      return [];
    case 'addFloor':
      return [op.podLink, op.tap];
    case 'addRules':
      return [op.link, op.to];
    case 'addRedirect':
      return [op.from, op.to];
    case 'deleteRedirect':
      return [op.from];
    default:
      return [op.link];
  }
}

/** Describes the change in words that follow "Cannot". */
export function describeOp(op: Op): string {
  switch (op.op) {
    case 'addTap':
      return `add tap "${op.link}"`;
    case 'freeDeviceNode':
    case 'deleteDeviceNode':
      return `delete the old device node /dev/tap${op.ifindex}`;
    case 'addMacvtap':
      return `add macvtap "${op.macvtap.ifname}"`;
    case 'disableIpv6':
      return `disable IPv6 on "${op.link}"`;
    case 'enableIpv6':
      return `enable IPv6 on "${op.link}"`;
    case 'claimDeviceNode':
      return `give "${op.link}" its device node /dev/tap${op.ifindex}`;
    case 'persistTap':
      return `make tap "${op.link}" persistent`;
    case 'setLink':
      return describeChange(op.link, op.change);
    case 'deleteLink':
      return `delete "${op.link}"`;
    case 'addClsact':
      return `add a clsact qdisc to "${op.link}"`;
    case 'deleteClsact':
      return `delete the clsact qdisc of "${op.link}"`;
    case 'addRedirect':
      return `redirect "${op.from}" to "${op.to}"`;
    case 'deleteRedirect':
      return `delete the redirect of "${op.from}"`;
    case 'addSilence':
      return `silence the pod's own stack on "${op.podLink}" and "${op.tap}"`;
    case 'deleteSilence':
      return `delete the nftables tables "${op.table}"`;
    case 'addFloor':
      return `keep frames of "${op.tap}" and "${op.podLink}" from the pod's own stack`;
    case 'deleteFloor':
      return `delete the nftables table "${op.table}" of family netdev`;
    case 'addRules':
      return `add ${op.isGuard ? 'the spoof guard' : 'the rules of guest services'} to "${op.link}"`;
    case 'deleteRules':
      return `delete the rules of "${op.link}"`;
    case 'addAddress':
      return `add address ${op.address.local} to "${op.link}"`;
    case 'deleteAddress':
      return `delete address ${op.address.local} of "${op.link}"`;
    case 'addNeighbour':
      return `add router ${op.address} to the neighbours of "${op.link}"`;
    case 'setSysctl':
      return `set ${op.sysctl} to "${op.value}"`;
    default:
      return unreachable(op);
  }
}

function describeChange(link: string, change: LinkChange): string {
  switch (change.set) {
    case 'alias':
      return `write the record on "${link}"`;
    case 'address':
      return `set address ${change.mac} on "${link}"`;
    case 'mtu':
      return `set mtu ${change.mtu} on "${link}"`;
    case 'txqueuelen':
      return `set txqueuelen ${change.txqlen} on "${link}"`;
    case 'addrgenmode none':
      return `set addrgenmode none on "${link}"`;
    case 'accept_local':
      return `set accept_local and rp_filter on "${link}"`;
    case 'up':
      return `set "${link}" ${change.on ? 'up' : 'down'}`;
    case 'allmulticast':
      return `turn allmulticast ${change.on ? 'on' : 'off'} on "${link}"`;
    case 'promisc':
      return `turn promiscuous mode ${change.on ? 'on' : 'off'} on "${link}"`;
  }
}

/**
 * The outcome of an op. An error says why it failed; if its code is TRY_AGAIN, the op may have
 * taken effect. `notReached` means that an earlier op failed first.
 */
export type Outcome = 'done' | 'notReached' | Error;

/**
 * Runs ops, level by level, and returns one outcome for each. Where possible, sends the ops of a
 * level to the kernel together; the kernel then carries out each, even if an earlier one fails.
 *
 * @param continueOnError whether to continue with the next level even if an op failed
 */
export type Run = (
  levels: readonly (readonly Op[])[],
  continueOnError: boolean,
) => Promise<readonly Outcome[]>;

/**
 * Steps that may be sent together, so each must be harmless even if an earlier one of them fails.
 */
export type Level = readonly Step[];

/**
 * The pref of our filters: the lowest priority. If others add a filter later without a pref, the
 * kernel gives it a higher priority, so filters that only count frames still see every frame. If
 * such a filter takes the frames, CHECK, inspect and the agent report it. Earlier versions of
 * Tapwire look for their filters only at this pref.
 */
export const REDIRECT_PREF = 65535;
