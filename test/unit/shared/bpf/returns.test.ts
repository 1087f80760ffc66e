import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { returnsOf } from '../../../../shared/bpf/returns.ts';
import { HANG } from '../../../helpers/hang.ts';

const test = suite('returnsOf()');

type Instruction = readonly [
  opcode: number,
  target: number,
  source: number,
  offset: number,
  immediate: number,
];

function program(...instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [i, [opcode, target, source, offset, immediate]] of instructions.entries()) {
    bytes.writeUInt8(opcode, 8 * i);
    bytes.writeUInt8(target | (source << 4), 8 * i + 1);
    bytes.writeInt16LE(offset, 8 * i + 2);
    bytes.writeInt32LE(immediate, 8 * i + 4);
  }
  return bytes;
}

const move = (target: number, immediate: number): Instruction => [0xb7, target, 0, 0, immediate];
const move32 = (target: number, immediate: number): Instruction => [0xb4, target, 0, 0, immediate];
const copy = (target: number, source: number): Instruction => [0xbf, target, source, 0, 0];
const EXIT: Instruction = [0x95, 0, 0, 0, 0];
const jump = (offset: number): Instruction => [0x05, 0, 0, offset, 0];
const jumpFar = (offset: number): Instruction => [0x06, 0, 0, 0, offset];
const ifEqual = (register: number, immediate: number, offset: number): Instruction => [
  0x15,
  register,
  0,
  offset,
  immediate,
];
const call = (helper: number, source = 0): Instruction => [0x85, 0, source, 0, helper];
const load = (target: number): Instruction => [0x61, target, 1, 0, 0];

for (const [why, instructions, returns] of [
  ['return 0', [move(0, 0), EXIT], [0]],
  ['return -1', [move(0, -1), EXIT], [-1]],
  ['return -1 by 32 bits', [move32(0, -1), EXIT], [-1]],
  ['a wide constant', [[0x18, 0, 0, 0, 2], [0, 0, 0, 0, 0], EXIT], [2]],
  ['the address of a map', [[0x18, 0, 1, 0, 2], [0, 0, 0, 0, 0], EXIT], null],
  ['a wide constant in another register', [move(0, 2), [0x18, 3, 1, 0, 2], [0, 0, 0, 0, 0], EXIT], [2]],
  ['two exits', [load(2), ifEqual(2, 5, 2), move(0, 0), EXIT, move(0, 2), EXIT], [0, 2]],
  ['one exit for two values', [load(2), move(0, 0), ifEqual(2, 5, 1), move(0, 2), EXIT], [0, 2]],
  ['an exit that is not reached', [move(0, 2), EXIT, move(0, 0), EXIT], [2]],
  ['a jump over a value', [move(0, 2), jump(1), move(0, 0), EXIT], [2]],
  ['a long jump', [move(0, 2), jumpFar(1), move(0, 0), EXIT], [2]],
  ['a loop', [load(2), move(0, 7), ifEqual(2, 5, -2), EXIT], [7]],
  ['a value that is loaded', [load(0), EXIT], null],
  ['a value that is copied', [copy(0, 1), EXIT], null],
  ['a value that is computed', [move(0, 1), [0x07, 0, 0, 0, 1], EXIT], null],
  ['the result of a helper', [call(5), EXIT], null],
  ['a constant after a helper', [call(5), move(0, 0), EXIT], [0]],
  ['a constant after a function of the program', [call(2, 1), move(0, 0), EXIT, move(0, 9), EXIT], [0]],
  ['a tail call', [call(12), move(0, 0), EXIT], null],
  ['a tail call as the kernel writes it', [[0xf5, 0, 0, 0, 0], move(0, 0), EXIT], null],
  ['a function of the kernel, which may end the program', [call(5, 2), move(0, 0), EXIT], null],
  ['an atomic change that may write the register', [move(0, 0), [0xdb, 1, 2, 0, 0xf1], EXIT], null],
  ['a store', [move(0, 0), [0x7b, 10, 1, -8, 0], EXIT], [0]],
  ['a load that ends the program by itself', [move(0, 2), [0x28, 0, 0, 0, 12], move(0, 2), EXIT], null],
  ['a jump to an address', [move(0, 2), [0x0d, 0, 0, 0, 0], EXIT], null],
  ['a jump out of the program', [move(0, 2), jump(5), EXIT], null],
  ['no exit', [move(0, 2)], null],
  ['nothing', [], []],
] as const satisfies readonly (readonly [string, readonly Instruction[], readonly number[] | null])[]) {
  test(`reads ${why}`, () => {
    const found = returnsOf(program(...instructions));
    assert.equal(found && [...found].sort(), returns && [...returns].sort());
  });
}

test('returns null for more values than the limit', () => {
  const branches = Array.from({ length: 20 }, (_, i): readonly Instruction[] => [
    ifEqual(2, i, 2),
    move(0, i),
    EXIT,
  ]);
  assert.is(returnsOf(program(load(2), ...branches.flat(), move(0, 0), EXIT)), null);
});

test('reads a program of the maximum length quickly', () => {
  const ladder = Array.from({ length: 2000 }, (_, i): readonly Instruction[] => [
    move(0, i % 7),
    ifEqual(2, i, -1 - (i % 50)),
  ]);
  const started = performance.now();
  assert.is(returnsOf(program(load(2), ...ladder.flat(), EXIT))?.length, 1);
  assert.ok(performance.now() - started < HANG, 'each instruction is read once for each value');
});

test.run();
