/**
 * Finds the values that a classic BPF program can return.
 *
 * Source: linux/filter.h, linux net/core/filter.c
 */

// struct sock_filter: u16 code, u8 jump if true, u8 jump if false, u32 k
const INSTRUCTION_BYTES = 8;
const CLASS_MASK = 0x07;
const [LD, LDX, ALU, JMP, RET] = [0x00, 0x01, 0x04, 0x05, 0x06];
const MODE_MASK = 0xe0;
const [ABS, IND, MSH] = [0x20, 0x40, 0xa0];
const OPERATION_MASK = 0xf0;
const [JA, DIV, MOD] = [0x00, 0x30, 0x90];
const FROM_X = 0x08;
const RETURN_SOURCE_MASK = 0x18;

/**
 * Returns the values that the program can return, as signed numbers; null if one of them is
 * computed. Takes linear time, because classic jumps only go forward.
 */
export function classicReturns(program: Buffer): readonly number[] | null {
  const count = Math.floor(program.length / INSTRUCTION_BYTES);
  const isReached = new Uint8Array(count);
  const returns = new Set<number>();
  const reach = (at: number) => {
    if (at < count) isReached[at] = 1;
  };
  reach(0);
  for (let i = 0; i < count; i++) {
    if (isReached[i] !== 1) continue;
    const code = program.readUInt16LE(i * INSTRUCTION_BYTES);
    const k = program.readUInt32LE(i * INSTRUCTION_BYTES + 4);
    const kind = code & CLASS_MASK;
    if (kind === RET) {
      if ((code & RETURN_SOURCE_MASK) !== 0) return null;
      returns.add(k | 0);
    } else if (kind === JMP) {
      if ((code & OPERATION_MASK) === JA) reach(i + 1 + k);
      else {
        reach(i + 1 + program.readUInt8(i * INSTRUCTION_BYTES + 2));
        reach(i + 1 + program.readUInt8(i * INSTRUCTION_BYTES + 3));
      }
    } else {
      if (canFail(kind, code)) returns.add(0);
      reach(i + 1);
    }
  }
  return [...returns];
}

/**
 * Whether the instruction can end the program with 0, because a frame is too short or a divisor is
 * 0.
 */
function canFail(kind: number, code: number): boolean {
  const mode = code & MODE_MASK;
  if (kind === LD) return mode === ABS || mode === IND;
  if (kind === LDX) return mode === MSH;
  const operation = code & OPERATION_MASK;
  return kind === ALU && (code & FROM_X) !== 0 && (operation === DIV || operation === MOD);
}
