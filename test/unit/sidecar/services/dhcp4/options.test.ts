import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addOptions, decodeOptions, encodeOptions } from '../../../../../sidecar/services/dhcp4/options.ts';

const test = suite('options');

const decode = (hex: string) => {
  const options = decodeOptions(Buffer.from(hex, 'hex'));
  return options === null ? null : [...options].map(([code, value]) => [code, value.toString('hex')]);
};

test('decodeOptions() reads options in their order, and skips padding', () => {
  assert.equal(decode('0000350101003204c0a80001ff'), [
    [53, '01'],
    [50, 'c0a80001'],
  ]);
});

test('decodeOptions() joins the parts of an option, in the order of the message', () => {
  assert.equal(decode('3702010335010137010fff'), [
    [55, '01030f'],
    [53, '01'],
  ]);
});

test('decodeOptions() ignores what follows the end', () => {
  assert.equal(decode('350101ff32'), [[53, '01']]);
});

for (const [name, hex] of [
  ['no bytes', ''],
  ['only padding', '0000'],
  ['no end', '350101'],
  ['a code without a length', '35010132'],
  ['a value that is too short', '35010132040a00'],
  ['a value that takes in the end', '350401ff'],
] as const) {
  test(`decodeOptions() rejects a field with ${name}`, () => {
    assert.is(decode(hex), null);
  });
}

test('decodeOptions() takes linear time for a field of one repeated option', () => {
  const part = Buffer.from([55, 0]);
  const field = Buffer.concat([...Array.from({ length: 30_000 }, () => part), Buffer.from([255])]);
  assert.is(decodeOptions(field)?.get(55)?.length, 0);
});

test('encodeOptions() writes each option, then the end', () => {
  const options = new Map([
    [53, Buffer.from([5])],
    [80, Buffer.alloc(0)],
  ]);
  assert.is(encodeOptions(options).toString('hex'), '3501055000ff');
});

test('encodeOptions() splits a long value into parts of 255 bytes, the last one shorter', () => {
  const value = Buffer.from(Array.from({ length: 600 }, (_, i) => i % 251));
  const encoded = encodeOptions(new Map([[119, value]]));
  assert.equal([encoded[0], encoded[1]], [119, 255]);
  assert.equal([encoded[257], encoded[258]], [119, 255]);
  assert.equal([encoded[514], encoded[515]], [119, 90]);
  assert.is(encoded.length, 600 + 6 + 1);
  assert.equal(decodeOptions(encoded)?.get(119), value);
});

test('encodeOptions() does not add an empty part to a value of exactly 255 bytes', () => {
  assert.is(encodeOptions(new Map([[12, Buffer.alloc(255)]])).length, 2 + 255 + 1);
});

const VALUES = new Map([
  [3, Buffer.alloc(4)],
  [6, Buffer.alloc(8)],
  [15, Buffer.alloc(2)],
  [119, Buffer.alloc(256)],
]);
const PRESENT = new Map([[53, Buffer.from([2])]]);
const codes = (space: number, wanted: readonly number[]) => [
  ...addOptions(PRESENT, VALUES, wanted, space).keys(),
];

test('addOptions() adds those with a value, once, in the wanted order', () => {
  assert.equal(codes(1000, [6, 99, 3, 6, 15]), [53, 6, 3, 15]);
});

test('addOptions() does not replace an option that is present', () => {
  const values = new Map([[53, Buffer.from([9])]]);
  assert.equal(addOptions(PRESENT, values, [53], 1000).get(53), Buffer.from([2]));
});

test('addOptions() uses the space to the last byte, and leaves out an option as a whole', () => {
  assert.equal(codes(3 + 1 + 6 + 10, [3, 6]), [53, 3, 6]);
  assert.equal(codes(3 + 1 + 6 + 9, [3, 6]), [53, 3]);
});

test('addOptions() still adds a shorter option after one that does not fit', () => {
  assert.equal(codes(3 + 1 + 6 + 4, [3, 6, 15]), [53, 3, 15]);
});

test('addOptions() counts the second part of a long value', () => {
  assert.equal(codes(3 + 1 + 260, [119]), [53, 119]);
  assert.equal(codes(3 + 1 + 259, [119]), [53]);
});

test.run();
