import { type Attributes, inside, readBytes, readText, readU32, typesOf } from '../netlink/attribute.ts';

/**
 * Effect of a filter's actions on a frame that it matches: end the frame's way through the filters,
 * or go on with the next filter.
 */
export type ActionOutcome = 'ends' | 'goes on' | 'unknown';

export interface Redirect {
  /**
   * Ifindex of the link that receives the frames, at its egress or ingress; 0 if that link no
   * longer exists.
   */
  readonly to: number;
  /** Cookie in hex, at most 32 digits; null if the action has none. */
  readonly cookie: string | null;
}

// linux/pkt_cls.h, linux/tc_act/*.h
export const TCA_ACT_KIND = 1;
export const TCA_ACT_OPTIONS = 2;
export const TCA_ACT_COOKIE = 6;
export const TCA_MIRRED_PARMS = 2;
export const TCA_EGRESS_REDIR = 1;
const TCA_INGRESS_REDIR = 3;
const MIRRED_BYTES = 28; // struct tc_mirred
const TC_ACT_PIPE = 3;
const TC_ACT_JUMP = 1; // in the top four bits
const TCA_GACT_PROB = 3;
const TCA_POLICE_TBF = 1;
const TCA_POLICE_RESULT = 5;
/**
 * Attribute in which each kind of action keeps its structure. In all these structures, the action's
 * return value is at the same offset.
 */
const PARAMETERS: ReadonlyMap<string, number> = new Map([
  ['gact', 2],
  ['mirred', TCA_MIRRED_PARMS],
  ['skbedit', 2],
  ['sample', 2],
  ['simple', 2],
  ['connmark', 1],
]);
const NEXT_OFFSET = 8; // tc_gen: index, capabilities, action
const POLICE_NEXT_OFFSET = 4; // struct tc_police: index, action

/** Returns the first action that redirects frames to another link; null if there is none. */
export function findRedirect(actions: Attributes): Attributes | null {
  for (const number of typesOf(actions)) {
    const action = inside(actions, number);
    if (decodeRedirect(action) !== null) return action;
  }
  return null;
}

export function decodeRedirect(action: Attributes): Redirect | null {
  if (readText(action, TCA_ACT_KIND) !== 'mirred') return null;
  const parameters = readBytes(inside(action, TCA_ACT_OPTIONS), TCA_MIRRED_PARMS);
  if (parameters === undefined || parameters.length < MIRRED_BYTES) return null;
  const what = parameters.readInt32LE(20); // the other values copy frames
  if (what !== TCA_EGRESS_REDIR && what !== TCA_INGRESS_REDIR) return null;
  return {
    to: parameters.readUInt32LE(24),
    cookie: readBytes(action, TCA_ACT_COOKIE)?.toString('hex') ?? null,
  };
}

/**
 * Returns what a list of actions does to a frame. After an empty list, or a last action that says
 * "pipe", no other filter sees the frame, and the pod's own stack gets it.
 *
 * Source: linux net/sched/act_api.c, tcf_action_exec
 */
export function outcomeOf(actions: Attributes): ActionOutcome {
  for (const number of typesOf(actions)) {
    const next = nextAfter(inside(actions, number));
    if (next !== 'next action') return next;
  }
  return 'ends';
}

function nextAfter(action: Attributes): ActionOutcome | 'next action' {
  const kind = readText(action, TCA_ACT_KIND) ?? '';
  const options = inside(action, TCA_ACT_OPTIONS);
  if (kind === 'police') return nextAfterPolice(options);
  if (kind === 'mirred' && decodeRedirect(action) !== null) return 'ends';
  const parameters = readBytes(options, PARAMETERS.get(kind) ?? 0);
  if (parameters === undefined || parameters.length < NEXT_OFFSET + 4) return 'unknown';
  // With TCA_GACT_PROB, chance decides what happens next.
  if (kind === 'gact' && readBytes(options, TCA_GACT_PROB) !== undefined) return 'unknown';
  return nextOf(parameters.readInt32LE(NEXT_OFFSET));
}

/** Returns what a policer does next; unknown if that depends on the rate. */
function nextAfterPolice(options: Attributes): ActionOutcome | 'next action' {
  const parameters = readBytes(options, TCA_POLICE_TBF);
  if (parameters === undefined || parameters.length < POLICE_NEXT_OFFSET + 4) return 'unknown';
  const above = nextOf(parameters.readInt32LE(POLICE_NEXT_OFFSET));
  const below = nextOf((readU32(options, TCA_POLICE_RESULT) ?? 0) | 0);
  return above === below ? above : 'unknown';
}

/**
 * Returns what the kernel does after an action returns this value. The next filter runs only after
 * TC_ACT_UNSPEC. After TC_ACT_GOTO_CHAIN, the kernel does not return to this chain.
 */
function nextOf(value: number): ActionOutcome | 'next action' {
  if (value < 0) return 'goes on';
  if (value === TC_ACT_PIPE) return 'next action';
  return value >>> 28 === TC_ACT_JUMP ? 'unknown' : 'ends';
}
