import { unreachable } from '../../shared/errors.ts';
import type { Sysctl } from '../../shared/netns/part.ts';
import type { LinkChange } from '../../shared/rtnetlink/link-change.ts';

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
  | { readonly op: 'setLink'; readonly link: string; readonly change: LinkChange }
  | { readonly op: 'deleteLink'; readonly link: string }
  | { readonly op: 'addClsact'; readonly link: string }
  | { readonly op: 'deleteClsact'; readonly link: string }
  /** Redirects every frame that comes in on `from` out of `to`. */
  | { readonly op: 'addRedirect'; readonly from: string; readonly to: string; readonly cookie: string }
  /** Deletes the redirect with this cookie. */
  | { readonly op: 'deleteRedirect'; readonly from: string; readonly cookie: string }
  /**
   * Drops all that the netns' own stack sends on these links, which need not exist yet.
   * `replaces`: the table exists and is replaced.
   */
  | {
      readonly op: 'addSilence';
      readonly table: string;
      readonly links: readonly string[];
      readonly replaces: boolean;
    }
  /** Does nothing if the table does not exist. */
  | { readonly op: 'deleteSilence'; readonly table: string }
  | { readonly op: 'setSysctl'; readonly sysctl: Sysctl; readonly value: string };

export const setLink = (link: string, change: LinkChange): Op => ({ op: 'setLink', link, change });

/**
 * A change, and the ops that undo it, in their order. The undo is empty if that of an earlier step
 * covers this one, or if nothing should be undone.
 */
export interface Step {
  readonly do: Op;
  readonly undo: readonly Op[];
}

/** Names the links that must exist before the op runs. */
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

/** Describes the change in words that follow "Cannot". */
export function describeOp(op: Op): string {
  switch (op.op) {
    case 'addTap':
      return `add tap "${op.link}"`;
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
      return `silence the pod's own stack on ${op.links.map((link) => `"${link}"`).join(' and ')}`;
    case 'deleteSilence':
      return `delete the nftables tables "${op.table}"`;
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
    case 'mtu':
      return `set mtu ${change.mtu} on "${link}"`;
    case 'txqueuelen':
      return `set txqueuelen ${change.txqlen} on "${link}"`;
    case 'addrgenmode none':
      return `set addrgenmode none on "${link}"`;
    case 'up':
      return `set "${link}" ${change.on ? 'up' : 'down'}`;
    case 'allmulticast':
      return `turn allmulticast ${change.on ? 'on' : 'off'} on "${link}"`;
  }
}

/**
 * What became of an op. An error says why it failed; with the code TRY_AGAIN, the op may have been
 * done. `notReached`: an earlier op failed first.
 */
export type Outcome = 'done' | 'notReached' | Error;

/**
 * Runs ops, level by level, and returns one outcome for each. Ops of one level are sent to the
 * kernel together, which continues when one fails.
 * @param continueOnError whether to continue with the next level as well
 */
export type Run = (
  levels: readonly (readonly Op[])[],
  continueOnError: boolean,
) => Promise<readonly Outcome[]>;

/** Steps that are sent together: each is harmless even if an earlier one of them fails. */
export type Level = readonly Step[];

/**
 * The pref of our filters: the lowest priority. Filters that others add later without a pref get a
 * better one from tc(8), so those that only count frames still see every frame. CHECK, inspect and
 * the agent report a conflicting filter that lands there. Earlier versions of Tapwire look for
 * their filters only at this pref.
 */
export const REDIRECT_PREF = 65535;
