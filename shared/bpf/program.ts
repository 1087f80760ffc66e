import { returnsOf } from './returns.ts';

/** A loaded eBPF program. */
export interface Program {
  readonly id: number;
  /** Name of at most 15 characters; empty if the program was loaded without one. */
  readonly name: string;
  /** Values that the program can return; null if unknown. */
  readonly returns: readonly number[] | null;
}

/** A program at the TCX ingress of a link, where it runs before all filters of tc. */
export interface TcxProgram {
  readonly ifindex: number;
  /** Id of the program for bpf(2). */
  readonly program: number;
}

// struct program of bpf.h: id, type, length in bytes of the instructions, length in bytes of those
// that follow, name
const LENGTH_OFFSET = 12;
const NAME_OFFSET = 16;
const NAME_BYTES = 16;
const INSTRUCTIONS_OFFSET = NAME_OFFSET + NAME_BYTES;

/** Decodes the result of READ_PROGRAM. */
export function decodeProgram(result: Buffer): Program {
  const [name = ''] = result.toString('latin1', NAME_OFFSET, INSTRUCTIONS_OFFSET).split('\0', 1);
  const length = result.readUInt32LE(LENGTH_OFFSET);
  const instructions = result.subarray(INSTRUCTIONS_OFFSET, INSTRUCTIONS_OFFSET + length);
  return { id: result.readUInt32LE(0), name, returns: length === 0 ? null : returnsOf(instructions) };
}

/** Decodes the result of QUERY_TCX. Keeps the order, which is that in which the programs run. */
export const decodeTcx = (result: Buffer): readonly TcxProgram[] =>
  Array.from({ length: Math.floor(result.length / 8) }, (_, i) => ({
    ifindex: result.readUInt32LE(8 * i),
    program: result.readUInt32LE(8 * i + 4),
  }));
