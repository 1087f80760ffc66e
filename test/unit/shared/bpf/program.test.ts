import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeProgram, decodeTcx } from '../../../../shared/bpf/program.ts';

const test = suite('programs');

function answer(whole: number, name: string, instructions: Buffer): Buffer {
  const head = Buffer.alloc(32);
  for (const [i, number] of [12, 3, whole, instructions.length].entries()) head.writeUInt32LE(number, 4 * i);
  head.write(name, 16, 'latin1');
  return Buffer.concat([head, instructions]);
}

test('decodeProgram() reads name and returns', () => {
  const instructions = Buffer.from('b700000002000000' + '9500000000000000', 'hex');
  assert.equal(decodeProgram(answer(16, 'drop', instructions)), { id: 12, name: 'drop', returns: [2] });
});

test('decodeProgram() returns no return values for a program without instructions', () => {
  assert.equal(decodeProgram(answer(65536, 'cil_from_netdev', Buffer.alloc(0))), {
    id: 12,
    name: 'cil_from_netdev',
    returns: null,
  });
});

test('decodeTcx() reads pairs', () => {
  const bytes = Buffer.from(Uint32Array.of(2, 12, 2, 13, 7, 12).buffer);
  assert.equal(decodeTcx(bytes), [
    { ifindex: 2, program: 12 },
    { ifindex: 2, program: 13 },
    { ifindex: 7, program: 12 },
  ]);
  assert.equal(decodeTcx(Buffer.alloc(0)), []);
});

test.run();
