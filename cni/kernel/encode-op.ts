import type { Request } from '../../shared/netlink/message.ts';
import type { NewTap, Part } from '../../shared/netns/part.ts';
import { addressAddition, addressDeletion } from '../../shared/rtnetlink/address.ts';
import { type Classifier, type Filter, redirectAddition } from '../../shared/rtnetlink/filter.ts';
import { linkChange, linkDeletion } from '../../shared/rtnetlink/link-change.ts';
import { macvtapAddition } from '../../shared/rtnetlink/macvtap.ts';
import { neighbourAddition } from '../../shared/rtnetlink/neighbour.ts';
import { clsactAddition, clsactDeletion, type IngressKind } from '../../shared/rtnetlink/qdisc.ts';
import { floorAddition, floorDeletion } from '../bindings/tap/floor.ts';
import { silenceAddition, silenceDeletion } from '../bindings/tap/silence.ts';
import { type Op, REDIRECT_PREF } from '../plan/op.ts';
import { redirectDeletions } from './redirects.ts';
import { encodeRules, type RuleForm, ruleDeletions } from './rules.ts';

/** What must be known of the netns to encode an op. */
export interface Known {
  /** @throws {BindingError} LINK_MISSING */
  ifindexOf(link: string): number;
  /** An unused ifindex for a new link; 0 if unknown. */
  freeIfindex(): number;
  qdiscOf(ifindex: number): IngressKind;
  /** Null until it is known which one this kernel has. */
  readonly classifier: Classifier | null;
  /** Form of a guard's rules; null until it is known whether this kernel has cls_bpf. */
  readonly guardForm: RuleForm | null;
  /** Filters by ifindex; null if they may have changed since they were read. */
  readonly filters: ReadonlyMap<number, readonly Filter[]> | null;
  /** Decides who creates a tap, and under which SELinux label. */
  labelled(asked: string | null): NewTap['labelled'];
}

/** Ops on device nodes, which are files of the node and not requests to a netns. */
export type DeviceNodeOp = Extract<Op, { op: 'freeDeviceNode' | 'claimDeviceNode' | 'deleteDeviceNode' }>;
export type NetnsOp = Exclude<Op, DeviceNodeOp>;

/** Encodes an op as a part; null if the netns must be read again first. Pure. */
export function encodeOp(op: NetnsOp, known: Known): Part | null {
  switch (op.op) {
    case 'addTap': {
      const { link: ifname, multiQueue, owner, group } = op;
      const labelled = known.labelled(op.selinuxContext);
      return {
        part: 'createTap',
        tap: { ifname, ifindex: known.freeIfindex(), multiQueue, owner, group, labelled },
      };
    }
    case 'addMacvtap':
      return { part: 'changeAtHome', request: (netns) => macvtapAddition(op.macvtap, netns) };
    case 'disableIpv6':
    case 'enableIpv6':
      return { part: 'setIpv6', ifname: op.link, on: op.op === 'enableIpv6' };
    case 'persistTap':
      return { part: 'persistTap' };
    case 'setLink':
      return change([linkChange(known.ifindexOf(op.link), op.change)]);
    case 'deleteLink':
      return { part: 'deleteLink', deletion: linkDeletion(known.ifindexOf(op.link)) };
    case 'addRedirect':
      return known.classifier && change([encodeRedirect(op, known.classifier, known)]);
    case 'deleteRedirect': {
      if (known.filters === null) return null;
      const ifindex = known.ifindexOf(op.from);
      return change(redirectDeletions(known.filters.get(ifindex) ?? [], ifindex, op.cookie));
    }
    case 'addClsact':
      return change([clsactAddition(known.ifindexOf(op.link))]);
    case 'deleteClsact':
      return change([clsactDeletion(known.ifindexOf(op.link))]);
    case 'addSilence':
      return { part: 'nftables', requests: silenceAddition(op) };
    case 'deleteSilence':
      return { part: 'nftables', requests: silenceDeletion(op.table) };
    case 'addFloor':
      return { part: 'nftables', requests: floorAddition(op) };
    case 'deleteFloor':
      return { part: 'nftables', requests: floorDeletion(op.table) };
    case 'addRules':
      if (op.isGuard && known.guardForm === null) return null;
      return change(encodeRules(op, op.isGuard ? (known.guardForm ?? 'filters') : 'filters', known));
    case 'deleteRules': {
      if (known.filters === null) return null;
      const ifindex = known.ifindexOf(op.link);
      return change(ruleDeletions(known.filters.get(ifindex) ?? [], op.owner));
    }
    case 'addAddress':
      return change([addressAddition(known.ifindexOf(op.link), op.address)]);
    case 'deleteAddress':
      return change([addressDeletion(known.ifindexOf(op.link), op.address)]);
    case 'addNeighbour':
      return change([neighbourAddition(known.ifindexOf(op.link), op.address, op.mac)]);
    case 'setSysctl':
      return { part: 'writeSysctl', sysctl: op.sysctl, value: op.value };
  }
}

const change = (requests: readonly Request[]): Part => ({ part: 'change', requests });

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
