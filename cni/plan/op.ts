import { unreachable } from '../../shared/errors.ts';
import type { Sysctl } from '../../shared/netns/part.ts';

/** One change to one netns; links are named by ifname. */
export type Op =
  /** A tap that vanishes with the process until it is made persistent. */
  | {
      readonly op: 'addTap';
      readonly link: string;
      readonly multiQueue: boolean;
      readonly owner: number | null;
      readonly group: number | null;
      readonly selinuxContext: string | null;
    }
  | { readonly op: 'persistTap'; readonly link: string }
  | { readonly op: 'setAlias'; readonly link: string; readonly ifalias: string }
  | { readonly op: 'setMtu'; readonly link: string; readonly mtu: number }
  | { readonly op: 'setTxqlen'; readonly link: string; readonly txqlen: number }
  /** Keeps the kernel from giving the link an IPv6 address and from speaking on it when it goes up. */
  | { readonly op: 'setAddrGenModeNone'; readonly link: string }
  | { readonly op: 'setUp'; readonly link: string; readonly on: boolean }
  | { readonly op: 'setAllmulti'; readonly link: string; readonly on: boolean }
  | { readonly op: 'deleteLink'; readonly link: string }
  | { readonly op: 'addClsact'; readonly link: string }
  | { readonly op: 'deleteClsact'; readonly link: string }
  /** Every frame that comes in on `from` goes out of `to`. */
  | { readonly op: 'addRedirect'; readonly from: string; readonly to: string; readonly cookie: string }
  /** Takes away the redirect with this cookie. */
  | { readonly op: 'deleteRedirect'; readonly from: string; readonly cookie: string }
  /** Drops all that the netns' own stack sends on these links, which need not exist yet; in place of the table that there is. */
  | {
      readonly op: 'addSilence';
      readonly table: string;
      readonly links: readonly string[];
      readonly replaces: boolean;
    }
  /** Does nothing if there is none. */
  | { readonly op: 'deleteSilence'; readonly table: string }
  | { readonly op: 'setSysctl'; readonly sysctl: Sysctl; readonly value: string };

/** A change, and the change that takes it back; null where an earlier step's undo takes it back as well, or nothing should. */
export interface Step {
  readonly do: Op;
  readonly undo: Op | null;
}

/** The links that must be there for it. */
export function linksOf(op: Op): readonly string[] {
  switch (op.op) {
    case 'addTap':
    case 'addSilence':
    case 'deleteSilence':
    case 'setSysctl':
      return [];
    case 'addRedirect':
      return [op.from, op.to];
    case 'deleteRedirect':
      return [op.from];
    default:
      return [op.link];
  }
}

/** The change in words that follow "Cannot". */
export function describeOp(op: Op): string {
  switch (op.op) {
    case 'addTap':
      return `add tap "${op.link}"`;
    case 'persistTap':
      return `make tap "${op.link}" persistent`;
    case 'setAlias':
      return `write the record on "${op.link}"`;
    case 'setMtu':
      return `set mtu ${op.mtu} on "${op.link}"`;
    case 'setTxqlen':
      return `set txqueuelen ${op.txqlen} on "${op.link}"`;
    case 'setAddrGenModeNone':
      return `set addrgenmode none on "${op.link}"`;
    case 'setUp':
      return `set "${op.link}" ${op.on ? 'up' : 'down'}`;
    case 'setAllmulti':
      return `turn allmulticast ${op.on ? 'on' : 'off'} on "${op.link}"`;
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
      return `silence the pod's own stack on ${op.links.map((link) => `"${link}"`).join(' and ')}`;
    case 'deleteSilence':
      return `delete the nftables tables "${op.table}"`;
    case 'setSysctl':
      return `set ${op.sysctl} to "${op.value}"`;
    default:
      return unreachable(op);
  }
}

/** What became of an op: null if it is done, undefined if it was not reached; TRY_AGAIN if nobody knows. */
export type Outcome = Error | null | undefined;

/**
 * Runs ops, level by level. Those of one level are sent to the kernel together, which goes on when one fails.
 *
 * @param continueOnError whether to run the next level after one that failed
 */
export type Run = (levels: readonly (readonly Op[])[], continueOnError: boolean) => Promise<readonly Outcome[]>;

/** Steps that do no harm when an earlier one of them has failed. */
export type Level = readonly Step[];

/**
 * The lowest priority there is. Filters that come later, for which tc(8) chooses a pref, land before ours and see every frame:
 * those that count frames and let them go on must not go blind. A conflicting filter that lands there is found by CHECK,
 * inspect and the agent instead. Earlier versions of Tapwire find their filters only at this pref.
 */
export const REDIRECT_PREF = 65535;
