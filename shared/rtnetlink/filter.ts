import {
  type Attributes,
  attribute,
  decodeAttributes,
  inside,
  nested,
  readText,
  readU32,
  struct,
  text,
  type Words,
} from '../netlink/attribute.ts';
import {
  type Message,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  type Query,
  type Request,
} from '../netlink/message.ts';
import {
  decodeRedirect,
  findRedirect,
  type Redirect,
  TCA_ACT_COOKIE,
  TCA_ACT_KIND,
  TCA_ACT_OPTIONS,
  TCA_EGRESS_REDIR,
  TCA_MIRRED_PARMS,
} from './action.ts';
import { ACTIONS, ETH_P_ALL, isJudged, type Judgement, judgeFilter, TCA_U32_SEL } from './match.ts';
import { type IngressKind, type IngressQdisc, TCA_KIND, TCMSG_BYTES, tcmsg } from './qdisc.ts';
import { decodeRule, type Rule } from './rule-content.ts';

/** A filter at the ingress or egress of a link (`tc filter show dev L ingress`). */
export interface Filter extends Judgement {
  readonly ifindex: number;
  readonly qdisc: IngressKind;
  readonly direction: Direction;
  /** Classifier, such as matchall, u32 or bpf. */
  readonly kind: string;
  /** Priority, lower first; tc(8) calls it pref. */
  readonly pref: number;
  readonly handle: number;
  /** Chain: every frame starts in chain 0; the others are jumped to. */
  readonly chain: number;
  /** ETH_P_* of the frames that the filter sees. */
  readonly protocol: number;
  /** The action that redirects frames to another link; null if the filter has none. */
  readonly redirect: Redirect | null;
  /** Mark and content of a u32 or bpf filter with a class id; null for all others. */
  readonly rule: Rule | null;
}

export type Direction = 'ingress' | 'egress';

/**
 * Classifiers that can match every frame, preferred first. Older and trimmed kernels lack matchall.
 */
export const CLASSIFIERS = ['matchall', 'u32'] as const;
export type Classifier = (typeof CLASSIFIERS)[number];

// linux/rtnetlink.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
/**
 * Parents of the filters of each direction. The older ingress qdisc also accepts the number of
 * clsact, but then reports it for all of its filters, including those of other programs.
 */
const PARENTS: Readonly<Record<IngressKind, Readonly<Record<Direction, number>>>> = {
  clsact: { ingress: 0xfffffff2, egress: 0xfffffff3 },
  ingress: { ingress: 0xffff0000, egress: 0xffff0000 },
};
/** Swaps the bytes of a 16-bit number between host order and network order. */
const swap16 = (value: number): number => ((value & 0xff) << 8) | (value >>> 8);
const TCA_OPTIONS = 2;
const ACT_FIRST = 1;
export const TCA_CHAIN = 11;

/** An ingress filter on link `from` that sends each frame out through link `to`. */
export interface RedirectFilter {
  readonly from: number;
  /** The ingress qdisc of `from`. */
  readonly qdisc: IngressKind;
  readonly to: number;
  readonly pref: number;
  /** Cookie of 32 hex digits. */
  readonly cookie: string;
}

/** Queries the filters in one direction of a link's ingress qdisc. */
export const filtersOf = (
  { ifindex, kind }: Pick<IngressQdisc, 'ifindex' | 'kind'>,
  direction: Direction,
): Query<readonly Filter[]> => ({
  request: { type: RTM_GETTFILTER, flags: NLM_F_DUMP, body: tcmsg(ifindex, PARENTS[kind][direction], 0) },
  keep: {
    limit: 2 * 1024 * 1024, // some 5,000 redirects or 15,000 simpler filters
    types: [TCA_KIND, TCA_OPTIONS, TCA_CHAIN],
    body: TCMSG_BYTES,
  },
  isList: true,
  decode: (replies) => replies.map((message) => decodeFilter(message, kind, direction)),
});

/**
 * `tc filter del dev L ingress pref P handle H CLASSIFIER`; handle 0 deletes all filters of that
 * pref.
 */
export function filterDeletion(filter: FilterName): Request {
  return { type: RTM_DELTFILTER, flags: 0, body: filterHead(filter) };
}

/** What tells a filter from all others. */
export type FilterName = Pick<
  Filter,
  'ifindex' | 'qdisc' | 'direction' | 'kind' | 'pref' | 'handle' | 'protocol'
>;

/** struct tcmsg, and the kind. The kernel rejects any protocol but that of the filter. */
function filterHead({ ifindex, qdisc, direction, kind, pref, handle, protocol }: FilterName): Words {
  const info = ((pref << 16) | swap16(protocol)) >>> 0;
  return [...tcmsg(ifindex, PARENTS[qdisc][direction], handle, info), ...text(TCA_KIND, kind)];
}

/** Adds a filter, which must not exist. @param options attributes that depend on its kind */
export const filterAddition = (name: FilterName, ...options: readonly Words[]): Request => ({
  type: RTM_NEWTFILTER,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  body: [...filterHead(name), ...nested(TCA_OPTIONS, ...options)],
});

/** Whether this is the root or a hash table of u32, which dumps list in addition to the filters. */
export function isHashTable({ kind, handle }: Filter): boolean {
  const NODE_BITS = 0xfff;
  return handle === 0 || (kind === 'u32' && (handle & NODE_BITS) === 0);
}

/**
 * Adds a filter that redirects: `tc filter add dev FROM ingress pref P CLASSIFIER …` with
 * `action mirred egress redirect dev TO cookie C`.
 */
export function redirectAddition(
  { from, qdisc, to, pref, cookie }: RedirectFilter,
  classifier: Classifier,
): Request {
  const action = redirectTo(to, cookie);
  const options =
    classifier === 'matchall'
      ? [nested(ACTIONS.matchall, action)]
      : [struct(TCA_U32_SEL, U32_MATCH_EVERYTHING), nested(ACTIONS.u32, action)];
  const handle = 1; // u32 adds the number of its hash table
  return filterAddition(
    { ifindex: from, qdisc, direction: 'ingress', kind: classifier, pref, handle, protocol: ETH_P_ALL },
    ...options,
  );
}

/** The first action of a filter: `action mirred egress redirect dev TO cookie C` */
export const redirectTo = (to: number, cookie: string): Words =>
  nested(
    ACT_FIRST,
    text(TCA_ACT_KIND, 'mirred'),
    attribute(TCA_ACT_COOKIE, Buffer.from(cookie, 'hex')),
    nested(TCA_ACT_OPTIONS, struct(TCA_MIRRED_PARMS, mirred(to))),
  );

/** struct tc_u32_sel: terminal, with one key whose mask is 0 (`match u32 0 0`). */
const U32_MATCH_EVERYTHING: Words = (() => {
  const [TC_U32_TERMINAL, keys] = [1, 1];
  return [TC_U32_TERMINAL | (keys << 16), 0, 0, 0, 0, 0, 0, 0];
})();

/** struct tc_mirred: index, capabilities, action, two counters, operation, target link. */
function mirred(to: number): Words {
  const TC_ACT_STOLEN = 4;
  return [0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, to];
}

/**
 * Judgement of a filter that redirects. It takes frames even if it matches only some of them, so
 * only other filters are examined.
 */
const TAKES_FRAMES: Judgement = { verdict: 'deadly', program: null };

export function decodeFilter(
  { body }: Pick<Message, 'body'>,
  qdisc: IngressKind,
  direction: Direction,
): Filter {
  const attributes = decodeAttributes(body, TCMSG_BYTES);
  const kind = readText(attributes, TCA_KIND) ?? '';
  const action = redirectAction(attributes);
  const options = inside(attributes, TCA_OPTIONS);
  const info = body.readUInt32LE(16);
  const protocol = swap16(info & 0xffff);
  return {
    ifindex: body.readInt32LE(4),
    qdisc,
    direction,
    kind,
    pref: info >>> 16,
    handle: body.readUInt32LE(8),
    chain: readU32(attributes, TCA_CHAIN) ?? 0,
    protocol,
    redirect: action === null ? null : decodeRedirect(action),
    rule: decodeRule(kind, options, action !== null),
    ...(action === null ? judgeFilter(kind, protocol, options) : TAKES_FRAMES),
  };
}

/**
 * Returns the attributes of the action that redirects frames; null if the filter does not redirect.
 */
export function redirectAction(attributes: Attributes): Attributes | null {
  const kind = readText(attributes, TCA_KIND) ?? '';
  return isJudged(kind) ? findRedirect(inside(inside(attributes, TCA_OPTIONS), ACTIONS[kind])) : null;
}
