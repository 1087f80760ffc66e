/**
 * Finds the values that an eBPF program can return, from its instructions.
 *
 * Follows every path, and tracks register 0 as long as it holds a constant. An unknown instruction
 * makes the result null, because a wrong result would reject a pod.
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
/**
 * Kinds of calls, in the source register: a helper, or a function of the program. The third kind,
 * kernel functions, can end a program.
 */
const [TO_HELPER, TO_FUNCTION] = [0, 1];
/** Maximum number of return values that are tracked; more count as unknown. */
const MAX_VALUES = 8;

/** Values that register 0 can hold; null means any value. */
type Values = readonly number[] | null;

/**
 * Returns the signed values that the program can return; null if they are unknown. Takes linear
 * time: processes an instruction again only when more values of register 0 reach it.
 */
export function returnsOf(program: Buffer): Values {
  const count = Math.floor(program.length / INSTRUCTION_BYTES);
  /**
   * Values of register 0 at each instruction; undefined for an instruction that no path has reached
   * yet.
   */
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

/**
 * Returns the instructions that follow this one, and the values of register 0 after it. An exit has
 * no next instruction. Returns null for an unknown instruction.
 */
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
  if (kind === LD) return null; // these loads end the program if a frame is too short
  if (kind === ALU || kind === ALU64) {
    const isConstant = operation === MOV && (opcode & FROM_REGISTER) === 0;
    return { next: [at + 1], values: target === 0 && isConstant ? [immediate] : after };
  }
  // Stores do not change registers, except for atomic ones, which are assumed to change register 0.
  if (kind === LDX) return { next: [at + 1], values: after };
  return { next: [at + 1], values: kind === STX && operation >= 0xc0 ? null : values };
}

/**
 * Returns the loaded constant. Only its lower half counts, because a return value has 32 bits. With
 * a source register, the immediate stands for an address.
 */
const constantOf = (source: number, immediate: number): Values => (source === 0 ? [immediate] : null);

function merge(one: Values, other: Values): Values {
  if (one === null || other === null) return null;
  const all = [...new Set([...one, ...other])];
  return all.length > MAX_VALUES ? null : all;
}

const isSame = (one: Values, other: Values): boolean =>
  one === null || other === null ? one === other : one.length === other.length;
