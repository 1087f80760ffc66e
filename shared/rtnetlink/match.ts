/** Decides which frames a filter matches, and so whether any frame gets past it. */
import { classicReturns } from '../bpf/classic.ts';
import { type Ends, endsDirectAction, isMatch, type Verdict, verdictOf } from '../bpf/verdict.ts';
import { type Attributes, inside, readBytes, readU32, typesOf } from '../netlink/attribute.ts';
import { type ActionOutcome, outcomeOf } from './action.ts';

/** Attribute in which each classifier keeps its actions, among its options. */
export const ACTIONS = { matchall: 2, u32: 7, bpf: 1, flower: 3, basic: 3 } as const;
/** Whether this module knows the classifier. */
export const isJudged = (kind: string): kind is keyof typeof ACTIONS => Object.hasOwn(ACTIONS, kind);

/** An eBPF program that decides for its filter. */
export interface FilterProgram {
  /** Id of the program for bpf(2). */
  readonly id: number;
  /**
   * Meaning of its return values: `action` in direct-action mode; `match` if they only say whether
   * the filter, with its actions, matches.
   */
  readonly returns: 'action' | 'match';
}

export interface Judgement {
  /** Verdict without the eBPF program. */
  readonly verdict: Verdict;
  readonly program: FilterProgram | null;
}

// linux/if_ether.h
export const ETH_P_ALL = 0x0003;
/**
 * Protocols that a guest cannot do without: to stop all their frames is as bad as to stop all
 * frames. IPv4 and ARP; many pods have no IPv6, and a filter that stops it does not harm their
 * guests.
 */
const VITAL_PROTOCOLS = [ETH_P_ALL, 0x0800, 0x0806];

// linux/pkt_cls.h
const TCA_CLS_FLAGS_SKIP_SW = 2;
const FLAGS = { matchall: 3, u32: 11, bpf: 9, flower: 22, basic: 0 } as const;
const TCA_U32_HASH = 2;
const TCA_U32_LINK = 3;
export const TCA_U32_SEL = 5;
const TCA_U32_INDEV = 8;
const TCA_U32_MARK = 10;
export const TC_U32_TERMINAL = 1;
const SELECTOR_BYTES = 16; // struct tc_u32_sel
const KEY_BYTES = 16; // struct tc_u32_key: mask, value, offset, mask of a further offset
/**
 * First number of the tables that the kernel creates, in which every frame starts. Other tables are
 * only linked to.
 */
const FIRST_OWN_TABLE = 0x80000000;
/**
 * Offsets that a key can read in every frame. A key that reads past the end of a frame does not
 * match. An ARP message has 28 bytes, after a header of 14.
 */
const [FIRST_OFFSET, LAST_OFFSET] = [-14, 24];
const TCA_BPF_POLICE = 2;
export const TCA_BPF_OPS = 5;
export const TCA_BPF_FLAGS = 8;
const TCA_BPF_ID = 11;
export const TCA_BPF_FLAG_ACT_DIRECT = 1;
const TCA_BASIC_EMATCHES = 2;
/**
 * Attributes of flower that do not match anything: class id, actions, flags, number of network
 * cards with the filter.
 */
const FLOWER_OTHERS = [1, 3, 22, 86];
const TCA_FLOWER_KEY_ETH_TYPE = 8;

const NOTHING_KNOWN: Judgement = { verdict: 'unknown', program: null };

/**
 * Judges what a filter does to the frames of its link. Pure; takes linear time in the number of its
 * attributes.
 *
 * @param protocol ETH_P_* of the frames that the filter sees
 * @param options TCA_OPTIONS of its dump
 */
export function judgeFilter(kind: string, protocol: number, options: Attributes): Judgement {
  if (!isJudged(kind)) return NOTHING_KNOWN;
  const isInHardware = ((readU32(options, FLAGS[kind]) ?? 0) & TCA_CLS_FLAGS_SKIP_SW) !== 0;
  if (isInHardware) return NOTHING_KNOWN;
  const outcome = outcomeOf(inside(options, ACTIONS[kind]));
  if (kind === 'bpf') return judgeBpf(outcome, protocol, options);
  const verdict = kind === 'u32' && !isTerminal(options) ? 'harmless' : combine(outcome, protocol);
  const isCertain = verdict === 'harmless' || MATCHES_ALL[kind](options, protocol);
  return { verdict: isCertain ? verdict : 'unknown', program: null };
}

/** Returns the verdict for a filter that matches all frames of a protocol, with this outcome. */
function combine(outcome: ActionOutcome, protocol: number): Verdict {
  if (outcome === 'goes on') return 'harmless';
  return outcome === 'ends' && VITAL_PROTOCOLS.includes(protocol) ? 'deadly' : 'unknown';
}

type Match = (options: Attributes, protocol: number) => boolean;

const MATCHES_ALL: Readonly<Record<Exclude<keyof typeof ACTIONS, 'bpf'>, Match>> = {
  matchall: () => true,
  basic: (options) => readBytes(options, TCA_BASIC_EMATCHES) === undefined,
  flower: (options, protocol) =>
    typesOf(options).every(
      (type) => FLOWER_OTHERS.includes(type) || (type === TCA_FLOWER_KEY_ETH_TYPE && protocol !== ETH_P_ALL),
    ),
  u32: (options) => {
    const narrowing = [TCA_U32_LINK, TCA_U32_INDEV, TCA_U32_MARK];
    if (narrowing.some((type) => readBytes(options, type) !== undefined)) return false;
    if ((readU32(options, TCA_U32_HASH) ?? FIRST_OWN_TABLE) < FIRST_OWN_TABLE) return false;
    return matchesAll(selectorOf(options));
  },
};

const selectorOf = (options: Attributes): Buffer => readBytes(options, TCA_U32_SEL) ?? Buffer.alloc(0);

/** Whether a u32 filter ends the search. If not, it only links to another table. */
const isTerminal = (options: Attributes): boolean => ((selectorOf(options)[0] ?? 0) & TC_U32_TERMINAL) !== 0;

function matchesAll(selector: Buffer): boolean {
  const keys = selector[2] ?? 0;
  if (selector.length < SELECTOR_BYTES + keys * KEY_BYTES) return false;
  for (let at = SELECTOR_BYTES; at < SELECTOR_BYTES + keys * KEY_BYTES; at += KEY_BYTES) {
    const offset = selector.readInt32LE(at + 8);
    const isEmpty = selector.readUInt32LE(at) === 0 && selector.readUInt32LE(at + 12) === 0;
    if (!isEmpty || offset < FIRST_OFFSET || offset > LAST_OFFSET) return false;
  }
  return true;
}

/** Judges a bpf filter. The dump contains a classic program, but only the id of an eBPF program. */
function judgeBpf(outcome: ActionOutcome, protocol: number, options: Attributes): Judgement {
  if (readBytes(options, TCA_BPF_POLICE) !== undefined) return NOTHING_KNOWN;
  const isDirect = ((readU32(options, TCA_BPF_FLAGS) ?? 0) & TCA_BPF_FLAG_ACT_DIRECT) !== 0;
  if (!isDirect && outcome !== 'ends') return { verdict: combine(outcome, protocol), program: null };
  const classic = readBytes(options, TCA_BPF_OPS);
  const id = readU32(options, TCA_BPF_ID);
  if (classic === undefined && id !== undefined) {
    return { verdict: 'unknown', program: { id, returns: isDirect ? 'action' : 'match' } };
  }
  const returns = classic === undefined ? null : classicReturns(classic);
  return { verdict: verdictFor(returns, isDirect ? endsDirectAction : isMatch, protocol), program: null };
}

/**
 * Returns the verdict on a program. If it sees only a protocol that is not vital, it stops only
 * some frames.
 */
export function verdictFor(returns: readonly number[] | null, ends: Ends, protocol: number): Verdict {
  const verdict = verdictOf(returns, ends);
  return verdict === 'deadly' && !VITAL_PROTOCOLS.includes(protocol) ? 'unknown' : verdict;
}
