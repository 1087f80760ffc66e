import { returnsOf } from './returns.ts';

/** An eBPF program that is loaded. */
export interface Program {
  readonly id: number;
  /** At most 15 characters; empty if it was loaded without one. */
  readonly name: string;
  /** What it can return; null if that is not known. */
  readonly returns: readonly number[] | null;
}

/** A program at the TCX ingress of a link, where it runs before all filters. */
export interface TcxProgram {
  readonly ifindex: number;
  /** The number that bpf(2) finds it by. */
  readonly program: number;
}

// struct program of bpf.h: id, type, bytes of instructions, bytes of those that follow, name
const LENGTH_OFFSET = 12;
const NAME_OFFSET = 16;
const NAME_BYTES = 16;
const INSTRUCTIONS_OFFSET = NAME_OFFSET + NAME_BYTES;

/** @param answer of READ_PROGRAM */
export function decodeProgram(answer: Buffer): Program {
  const [name = ''] = answer.toString('latin1', NAME_OFFSET, INSTRUCTIONS_OFFSET).split('\0', 1);
  const length = answer.readUInt32LE(LENGTH_OFFSET);
  const instructions = answer.subarray(INSTRUCTIONS_OFFSET, INSTRUCTIONS_OFFSET + length);
  return { id: answer.readUInt32LE(0), name, returns: length === 0 ? null : returnsOf(instructions) };
}

/** @param answer of QUERY_TCX, in the order in which the programs run */
export const decodeTcx = (answer: Buffer): readonly TcxProgram[] =>
  Array.from({ length: Math.floor(answer.length / 8) }, (_, i) => ({
    ifindex: answer.readUInt32LE(8 * i),
    program: answer.readUInt32LE(8 * i + 4),
  }));
