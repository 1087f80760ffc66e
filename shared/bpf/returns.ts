/**
 * What an eBPF program can return, read from its instructions.
 *
 * Follows every path, and what register 0 holds on it as long as that is a constant. Whatever is not understood makes the result
 * null, since a wrong answer would reject a pod.
 *
 * Source: linux Documentation/bpf/standardization/instruction-set.rst
 */

// u8 opcode, u8 registers (destination in the low half), s16 offset, s32 immediate
const INSTRUCTION_BYTES = 8;
const CLASS_MASK = 0x07;
const [LD, LDX, STX, ALU, JMP, JMP32, ALU64] = [0, 1, 3, 4, 5, 6, 7];
const OPERATION_MASK = 0xf0;
const [MOV, JA, CALL, EXIT, CONDITION, TAIL_CALL] = [0xb0, 0x00, 0x80, 0x90, 0xe0, 0xf0];
const FROM_REGISTER = 0x08;
const LOAD_IMMEDIATE_64 = 0x18;
const TAIL_CALL_HELPER = 12;
/** In a call's source register: a helper, or a function of the program. Kernel functions can end a program. */
const [TO_HELPER, TO_FUNCTION] = [0, 1];
/** A program that returns more values than this is not a constant one. */
const MAX_VALUES = 8;

/** Values that register 0 can hold; null: anything. */
type Values = readonly number[] | null;

/** Signed values; null if they are not known. Linear: an instruction is looked at once for each value that reaches it. */
export function returnsOf(program: Buffer): Values {
  const count = Math.floor(program.length / INSTRUCTION_BYTES);
  /** What reaches each instruction. Undefined: nothing so far. */
  const reaching: (Values | undefined)[] = Array(count).fill(undefined);
  const pending: number[] = [];
  const reach = (at: number, values: Values): boolean => {
    if (at < 0 || at >= count) return false;
    const earlier = reaching[at];
    const merged = earlier === undefined ? values : merge(earlier, values);
    if (earlier !== undefined && isSame(earlier, merged)) return true;
    reaching[at] = merged;
    pending.push(at);
    return true;
  };

  let returns: Values = [];
  reach(0, null);
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const step = stepAt(program, at, reaching[at] ?? null);
    if (step === null) return null;
    if (step.next.length === 0) returns = merge(returns, step.values);
    for (const next of step.next) if (!reach(next, step.values)) return null;
  }
  return returns;
}

/** Where an instruction leads, and with what in register 0. An exit leads nowhere. Null if it is not understood. */
function stepAt(
  program: Buffer,
  at: number,
  values: Values,
): { next: readonly number[]; values: Values } | null {
  const start = at * INSTRUCTION_BYTES;
  const opcode = program.readUInt8(start);
  const [kind, operation] = [opcode & CLASS_MASK, opcode & OPERATION_MASK];
  const registers = program.readUInt8(start + 1);
  const [target, source] = [registers & 0xf, registers >> 4];
  const offset = program.readInt16LE(start + 2);
  const immediate = program.readInt32LE(start + 4);
  const after = target === 0 ? null : values;

  if (kind === JMP || kind === JMP32) {
    if (operation === EXIT) return { next: [], values };
    if (operation === CALL) {
      const isKnown = source === TO_FUNCTION || (source === TO_HELPER && immediate !== TAIL_CALL_HELPER);
      return isKnown && kind === JMP ? { next: [at + 1], values: null } : null;
    }
    if (operation === CONDITION || operation === TAIL_CALL) return null;
    if (operation !== JA) return { next: [at + 1, at + 1 + offset], values };
    if ((opcode & FROM_REGISTER) !== 0) return null;
    return { next: [at + 1 + (kind === JMP ? offset : immediate)], values };
  }
  if (opcode === LOAD_IMMEDIATE_64) {
    return { next: [at + 2], values: target === 0 ? constantOf(source, immediate) : values };
  }
  if (kind === LD) return null; // loads that end the program when a frame is too short
  if (kind === ALU || kind === ALU64) {
    const isConstant = operation === MOV && (opcode & FROM_REGISTER) === 0;
    return { next: [at + 1], values: target === 0 && isConstant ? [immediate] : after };
  }
  // Stores change no register, except for atomic ones: those are taken for changes of register 0.
  if (kind === LDX) return { next: [at + 1], values: after };
  return { next: [at + 1], values: kind === STX && operation >= 0xc0 ? null : values };
}

/** A return value has 32 bits: the lower half. With a source register, the immediate stands for an address. */
const constantOf = (source: number, immediate: number): Values => (source === 0 ? [immediate] : null);

function merge(one: Values, other: Values): Values {
  if (one === null || other === null) return null;
  const all = [...new Set([...one, ...other])];
  return all.length > MAX_VALUES ? null : all;
}

const isSame = (one: Values, other: Values): boolean =>
  one === null || other === null ? one === other : one.length === other.length;
