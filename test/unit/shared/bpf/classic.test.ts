import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { classicReturns } from '../../../../shared/bpf/classic.ts';

const test = suite('classicReturns()');

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];

function program(...instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [i, [code, ifTrue, ifFalse, k]] of instructions.entries()) {
    bytes.writeUInt16LE(code, 8 * i);
    bytes.writeUInt8(ifTrue, 8 * i + 2);
    bytes.writeUInt8(ifFalse, 8 * i + 3);
    bytes.writeUInt32LE(k >>> 0, 8 * i + 4);
  }
  return bytes;
}

const ret = (k: number): Instruction => [0x06, 0, 0, k];
const RET_A: Instruction = [0x16, 0, 0, 0];
const LOAD_IMMEDIATE: Instruction = [0x00, 0, 0, 5];
const LOAD_TYPE: Instruction = [0x28, 0, 0, 12]; // ldh [12]
const ifEqual = (k: number, ifTrue: number, ifFalse: number): Instruction => [0x15, ifTrue, ifFalse, k];

for (const [why, instructions, returns] of [
  ['nothing', [], []],
  ['ret 0', [ret(0)], [0]],
  ['ret -1', [ret(-1)], [-1]],
  ['ret a', [LOAD_IMMEDIATE, RET_A], null],
  ['a branch on a constant', [LOAD_IMMEDIATE, ifEqual(5, 0, 1), ret(2), ret(0)], [2, 0]],
  ['a branch that the program does not reach', [ret(-1), RET_A], [-1]],
  ['a jump over a return', [[0x05, 0, 0, 1], ret(-1), ret(2)], [2]],
  ['a load, which ends the program with 0 if the frame is too short', [LOAD_TYPE, ret(-1)], [0, -1]],
  ['a load by msh', [[0xb1, 0, 0, 14], ret(-1)], [0, -1]],
  ['a load from memory, which does not fail', [[0x60, 0, 0, 0], ret(-1)], [-1]],
  ['a division by X', [[0x3c, 0, 0, 0], ret(-1)], [0, -1]],
  ['a division by a constant', [[0x34, 0, 0, 2], ret(-1)], [-1]],
  ['a jump past its end', [[0x05, 0, 0, 0xfffffff0], ret(0)], []],
] as const satisfies readonly (readonly [string, readonly Instruction[], readonly number[] | null])[]) {
  test(`reads ${why}`, () => {
    const found = classicReturns(program(...instructions));
    assert.equal(found && [...found].sort(), returns && [...returns].sort());
  });
}

test('reads a program of the maximum length', () => {
  const nops = Array(4095).fill([0x00, 0, 0, 1] satisfies Instruction);
  assert.equal(classicReturns(program(...nops, ret(0))), [0]);
});

test.run();
