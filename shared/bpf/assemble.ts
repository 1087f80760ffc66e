/**
 * Compiles lists of rules to classic BPF programs for the bpf classifier.
 *
 * Source: linux/filter.h, linux net/core/filter.c
 */
import { ETHERTYPES, type FrameProtocol, type FrameRule, type Key } from '../frame-match.ts';
import { decide, type Step } from './decision.ts';

/** An instruction: struct sock_filter. */
interface Instruction {
  readonly code: number;
  /** Number of instructions to skip if the comparison is true; 0 for all but comparisons. */
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly k: number;
}

/** What the accumulator holds: a word of the frame, of which other bits than the mask are 0. */
type Held = Pick<Key, 'at' | 'mask'> | null;

const INSTRUCTION_BYTES = 8;
/**
 * The kernel accepts 4096 (BPF_MAXINSNS), but has no room for so many in a message when it lists
 * the filters of a link.
 */
const MAX_INSTRUCTIONS = 4000;
const MAX_SKIP = 0xff;
const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_HALF = 0x28; // BPF_LD | BPF_H | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JUMP_IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
/** SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT. The tag itself is not among the bytes of the frame. */
const VLAN_TAG_PRESENT = 0xfffff000 + 48;
/** SKF_AD_OFF + SKF_AD_VLAN_TAG: the tag's priority, and the number of the VLAN. */
const VLAN_TAG = 0xfffff000 + 44;
const VLAN_ID = 0xfff;
const ETHERTYPE = 12;
const NETWORK_HEADER = 14;
/** TC_ACT_OK, TC_ACT_UNSPEC and TC_ACT_SHOT of linux/pkt_cls.h. */
const RETURNS = { up: 0, pass: 0xffffffff, drop: 2 } as const satisfies Record<FrameRule['verdict'], number>;

/**
 * Compiles rules to a program for a filter in direct-action mode. It returns 0 for a frame that
 * goes up, 2 for one to drop, and -1 for one that passes to the next filter, or matches no rule.
 *
 * A frame that ends before a word that is compared makes the program return 0. So a chain of
 * nftables at the same ingress must drop what may not go up.
 *
 * @returns struct sock_filter of each instruction
 * @throws {RangeError} if the program would have more than 4000 instructions
 */
export function assemble(rules: readonly FrameRule[]): Buffer {
  /** Every path through a block ends with a return. */
  const blockOf = (protocol: FrameProtocol): readonly Instruction[] =>
    compileBlock(rules.filter(({ match }) => match.protocol === protocol || match.protocol === 'all'));
  const [tagged, ofVlan] = [[...blockOf('all')], blockOf('vlan')];
  if (rules.some(({ match }) => match.protocol === 'vlan')) {
    const isVlan0 = skipIf('equal', 0, ofVlan.length);
    tagged.unshift(instruction(LOAD_WORD, VLAN_TAG), instruction(AND, VLAN_ID), ...isVlan0, ...ofVlan);
  }
  const program = [
    instruction(LOAD_WORD, VLAN_TAG_PRESENT),
    ...skipIf('equal', 0, tagged.length),
    ...tagged,
    instruction(LOAD_HALF, ETHERTYPE),
    ...namedIn(rules).flatMap((protocol) => {
      const block = blockOf(protocol);
      return [...skipIf('other', ETHERTYPES[protocol], block.length), ...block];
    }),
    ...blockOf('all'),
  ];
  if (program.length > MAX_INSTRUCTIONS) {
    throw new RangeError(`Want at most ${MAX_INSTRUCTIONS} instructions, got ${program.length}`);
  }
  return encode(program);
}

/** Returns the protocols that have a number and rules of their own. */
const namedIn = (rules: readonly FrameRule[]): readonly (keyof typeof ETHERTYPES)[] =>
  (Object.keys(ETHERTYPES) as (keyof typeof ETHERTYPES)[]).filter((protocol) =>
    rules.some(({ match }) => match.protocol === protocol),
  );

const instruction = (code: number, k: number): Instruction => ({ code, ifTrue: 0, ifFalse: 0, k });

/**
 * Skips the next instructions if the accumulator has this value, or if it has any other. They may
 * be more than a comparison can skip.
 */
function skipIf(has: 'equal' | 'other', k: number, count: number): readonly Instruction[] {
  const compare = (ifEqual: number, ifOther: number): Instruction => ({
    code: JUMP_IF_EQUAL,
    ifTrue: has === 'equal' ? ifEqual : ifOther,
    ifFalse: has === 'equal' ? ifOther : ifEqual,
    k,
  });
  return count <= MAX_SKIP ? [compare(count, 0)] : [compare(0, 1), instruction(JUMP, count)];
}

/** Compiles the rules for one kind of frames. */
function compileBlock(rules: readonly FrameRule[]): readonly Instruction[] {
  const steps = decide(rules.map(({ match, verdict }) => ({ keys: match.keys, verdict })));
  const last = steps.at(-1);
  const isDecided = last !== undefined && 'verdict' in last;
  return compileSteps(isDecided ? steps : [...steps, { verdict: 'pass' }], null).code;
}

interface Compiled {
  readonly code: readonly Instruction[];
  /** What the accumulator holds if no step has decided; null if that depends. */
  readonly held: Held;
}

function compileSteps(steps: readonly Step[], before: Held): Compiled {
  const code: Instruction[] = [];
  let held = before;
  for (const step of steps) {
    const compiled = compileStep(step, held);
    for (const one of compiled.code) code.push(one);
    held = compiled.held;
  }
  return { code, held };
}

function compileStep(step: Step, before: Held): Compiled {
  if ('verdict' in step) return { code: [instruction(RETURN, RETURNS[step.verdict])], held: before };
  const key = 'required' in step ? step.required : step.key;
  const { at, mask, value } = key;
  const now = { at, mask };
  const loads = load(key, before);
  if ('required' in step) {
    return { code: [...loads, ...skipIf('equal', value, 1), instruction(RETURN, RETURNS.drop)], held: now };
  }
  const branch = compileSteps(step.branch, now);
  const isSame = branch.held?.at === at && branch.held.mask === mask;
  return {
    code: [...loads, ...skipIf('other', value, branch.code.length), ...branch.code],
    held: isSame ? now : null,
  };
}

/** Brings the word of a key to the accumulator, without the bits that do not count. */
function load({ at, mask }: Key, held: Held): readonly Instruction[] {
  const isLoaded = held?.at === at && (mask & ~held.mask) === 0;
  return [
    ...(isLoaded ? [] : [instruction(LOAD_WORD, NETWORK_HEADER + at)]),
    ...(mask === (isLoaded ? held.mask : 0xffffffff) ? [] : [instruction(AND, mask)]),
  ];
}

function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * INSTRUCTION_BYTES);
  for (const [i, { code, ifTrue, ifFalse, k }] of program.entries()) {
    const start = i * INSTRUCTION_BYTES;
    bytes.writeUInt16LE(code, start);
    bytes.writeUInt8(ifTrue, start + 2);
    bytes.writeUInt8(ifFalse, start + 3);
    bytes.writeUInt32LE(k, start + 4);
  }
  return bytes;
}
