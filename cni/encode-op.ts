import { type Classifier, type Filter, redirectAddition } from '../shared/rtnetlink/filter.ts';
import { type LinkChange, linkChange } from '../shared/rtnetlink/link-change.ts';
import type { Request } from '../shared/rtnetlink/message.ts';
import { clsactAddition, clsactDeletion, type IngressKind } from '../shared/rtnetlink/qdisc.ts';
import type { Op } from './op.ts';
import { redirectDeletions } from './redirects.ts';
import { REDIRECT_PREF } from './wiring.ts';

/** What it takes to write an op as requests of the kernel. */
export interface Known {
  /** @throws {BindingError} LINK_MISSING */
  ifindexOf(link: string): number;
  qdiscOf(ifindex: number): IngressKind;
  /** Null while it is not known which one this kernel has. */
  readonly classifier: Classifier | null;
  /** Null where they may have changed since they were looked at. */
  readonly filters: readonly Filter[] | null;
}

/**
 * The requests of an op that can be sent together with those of others; null where more has to be known first, or rtnetlink
 * alone does not do. Pure.
 */
export function encodeOp(op: Op, known: Known): readonly Request[] | null {
  switch (op.op) {
    case 'addTap':
    case 'persistTap':
    case 'deleteLink':
      return null;
    case 'addRedirect':
      return known.classifier === null ? null : [encodeRedirect(op, known.classifier, known)];
    case 'deleteRedirect':
      return known.filters && redirectDeletions(known.filters, known.ifindexOf(op.from), op.cookie);
    case 'addClsact':
      return [clsactAddition(known.ifindexOf(op.link))];
    case 'deleteClsact':
      return [clsactDeletion(known.ifindexOf(op.link))];
    default:
      return [linkChange(known.ifindexOf(op.link), changeOf(op))];
  }
}

export function encodeRedirect(
  { from, to, cookie }: Extract<Op, { op: 'addRedirect' }>,
  classifier: Classifier,
  { ifindexOf, qdiscOf }: Pick<Known, 'ifindexOf' | 'qdiscOf'>,
): Request {
  const source = ifindexOf(from);
  return redirectAddition(
    { from: source, qdisc: qdiscOf(source), to: ifindexOf(to), pref: REDIRECT_PREF, cookie },
    classifier,
  );
}

type LinkOp = Extract<
  Op,
  { op: 'setAlias' | 'setMtu' | 'setTxqlen' | 'setAddrGenModeNone' | 'setUp' | 'setAllmulti' }
>;

function changeOf(op: LinkOp): LinkChange {
  switch (op.op) {
    case 'setAlias':
      return { set: 'alias', ifalias: op.ifalias };
    case 'setMtu':
      return { set: 'mtu', mtu: op.mtu };
    case 'setTxqlen':
      return { set: 'txqueuelen', txqlen: op.txqlen };
    case 'setAddrGenModeNone':
      return { set: 'addrgenmode none' };
    case 'setUp':
      return { set: 'up', on: op.on };
    case 'setAllmulti':
      return { set: 'allmulticast', on: op.on };
  }
}
