/**
 * Lists of rules for the frames of a guest as filters of tc(8): one u32 filter for each rule, or
 * one bpf filter for all.
 */
import { ETHERTYPES, type FrameMatch, type FrameRule, type Key } from '../frame-match.ts';
import { attribute, nested, u32 } from '../netlink/attribute.ts';
import type { Request } from '../netlink/message.ts';
import { type FilterName, filterAddition, redirectTo } from './filter.ts';
import {
  ACTIONS,
  ETH_P_ALL,
  TC_U32_TERMINAL,
  TCA_BPF_FLAG_ACT_DIRECT,
  TCA_BPF_FLAGS,
  TCA_BPF_OPS,
  TCA_U32_SEL,
} from './match.ts';
import type { IngressKind } from './qdisc.ts';
import { programContent, selectorContent, TCA_BPF_CLASSID, TCA_U32_CLASSID } from './rule-content.ts';

/** The ingress of a link, and the mark of the filters there. */
export interface RulePlace {
  readonly ifindex: number;
  readonly qdisc: IngressKind;
  /** Class id of each filter, not 0, which has no effect. */
  readonly id: number;
}

/** A filter of a list of rules, as far as the list alone decides it. */
export interface RuleContent {
  readonly pref: number;
  /** ETH_P_* of the frames that the filter sees. */
  readonly protocol: number;
  /** For u32, the last 12 bits; the others are the number of the kernel's hash table. */
  readonly handle: number;
  /** The same as that of the filter's `rule`. */
  readonly content: number;
}

/** Pref of the bpf filter. */
export const BPF_RULE_PREF = 65520;
/** Prefs of the u32 filters. Each has one protocol, and the kernel tries the lowest pref first. */
export const RULE_PREFS = { ip: 65521, arp: 65522, ipv6: 65523, rarp: 65524, all: 65527 } as const;

// linux/pkt_cls.h
const TCA_BPF_OPS_LEN = 4;
const INSTRUCTION_BYTES = 8; // struct sock_filter
/** Maximum number of u32 filters in a hash table of the kernel, minus 1. */
const MAX_HANDLE = 0xfff;

/**
 * Encodes the additions of u32 filters that do what the rules say, if no other filter before the
 * redirect ends the way of a frame.
 *
 * A frame that goes up or is dropped meets no further filter, and leaves tc: a chain of nftables at
 * the same ingress must drop what may not go up.
 *
 * If a frame ends before a word that is compared, u32 skips all other rules of its protocol, and
 * goes on with those of protocol `all`. So a rule of that protocol must drop what may not pass, and
 * the keys of a rule must begin with one that few frames have.
 *
 * @param rules those of protocol `all` last, because the kernel tries filters in the order of their
 *   protocols' prefs
 * @param to ifindex of the link that gets the frames that pass
 * @param cookie of the redirects to it, 32 hex digits
 * @throws {TypeError} if another rule follows one of protocol `all`
 * @throws {RangeError} if there are more than 4095 rules of a protocol
 */
export const ruleFilterAdditions = (
  place: RulePlace,
  rules: readonly FrameRule[],
  to: number,
  cookie: string,
): readonly Request[] =>
  selectorsOf(rules).map(({ selector, verdict, ...where }) =>
    filterAddition(
      nameOf(place, 'u32', where),
      u32(TCA_U32_CLASSID, place.id),
      attribute(TCA_U32_SEL, selector),
      ...(verdict === 'pass' ? [nested(ACTIONS.u32, redirectTo(to, cookie))] : []),
    ),
  );

/** Returns what the kernel shows of the filters that `ruleFilterAdditions` adds, in their order. */
export const ruleContents = (rules: readonly FrameRule[]): readonly RuleContent[] =>
  selectorsOf(rules).map(({ selector, verdict, ...where }) => ({
    ...where,
    content: selectorContent(selector, verdict === 'pass' ? 'redirect' : 'none'),
  }));

/**
 * Encodes the addition of a filter whose program's return value is the action.
 *
 * @param program struct sock_filter of each instruction
 */
export function bpfFilterAddition(place: RulePlace, program: Buffer): Request {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(program.length / INSTRUCTION_BYTES);
  return filterAddition(
    nameOf(place, 'bpf', BPF_PLACE),
    u32(TCA_BPF_CLASSID, place.id),
    attribute(TCA_BPF_OPS_LEN, length),
    attribute(TCA_BPF_OPS, program),
    u32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT),
  );
}

/** Returns what the kernel shows of the filter that `bpfFilterAddition` adds. */
export const bpfContent = (program: Buffer): RuleContent => ({
  ...BPF_PLACE,
  content: programContent(program),
});

type Where = Omit<RuleContent, 'content'>;

const BPF_PLACE: Where = { pref: BPF_RULE_PREF, protocol: ETH_P_ALL, handle: 1 };

const nameOf = ({ ifindex, qdisc }: RulePlace, kind: string, where: Where): FilterName => ({
  ifindex,
  qdisc,
  direction: 'ingress',
  kind,
  ...where,
});

/** A u32 filter: its place, struct tc_u32_sel with its keys, and what becomes of the frames. */
interface Selector extends Where, Pick<FrameRule, 'verdict'> {
  readonly selector: Buffer;
}

function selectorsOf(rules: readonly FrameRule[]): readonly Selector[] {
  const first = rules.findIndex(({ match }) => match.protocol === 'all');
  const isLast = first === -1 || rules.slice(first).every(({ match }) => match.protocol === 'all');
  if (!isLast) throw new TypeError('Unreachable: a rule follows one for frames of all protocols');
  const handles = new Map<number, number>();
  return rules.flatMap(({ match, verdict }) =>
    seenBy(match).map(({ pref, protocol }) => {
      const handle = (handles.get(pref) ?? 0) + 1;
      if (handle > MAX_HANDLE) throw new RangeError(`Want at most ${MAX_HANDLE} rules of a protocol`);
      handles.set(pref, handle);
      return { pref, protocol, handle, selector: encodeSelector(match.keys), verdict };
    }),
  );
}

/** Returns the places of the filters that together see all frames of the protocol. */
function seenBy({ protocol }: FrameMatch): readonly Pick<Where, 'pref' | 'protocol'>[] {
  switch (protocol) {
    case 'all':
      return [{ pref: RULE_PREFS.all, protocol: ETH_P_ALL }];
    case 'vlan':
      return []; // u32 does not see the number of a tag
    default:
      return [{ pref: RULE_PREFS[protocol], protocol: ETHERTYPES[protocol] }];
  }
}

/** Matches every frame, because even a frame without a payload has a source MAC. */
const ANY: Key = { at: -8, mask: 0, value: 0 };

/** Encodes struct tc_u32_sel with its keys. */
function encodeSelector(keys: readonly Key[]): Buffer {
  const all = keys.length === 0 ? [ANY] : keys;
  const [HEAD_BYTES, KEY_BYTES] = [16, 16];
  const selector = Buffer.alloc(HEAD_BYTES + KEY_BYTES * all.length);
  selector.writeUInt8(TC_U32_TERMINAL, 0);
  selector.writeUInt8(all.length, 2);
  for (const [i, { at, mask, value }] of all.entries()) {
    const start = HEAD_BYTES + KEY_BYTES * i;
    selector.writeUInt32BE(mask, start);
    selector.writeUInt32BE(value, start + 4);
    selector.writeInt32LE(at, start + 8);
  }
  return selector;
}
