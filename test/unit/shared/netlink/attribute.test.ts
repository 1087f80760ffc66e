import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  attribute,
  decodeAttributes,
  inside,
  nested,
  readBytes,
  readText,
  readU8,
  readU32,
  struct,
  text,
  typesOf,
  u8,
  u32,
} from '../../../../shared/netlink/attribute.ts';

const test = suite('netlink attributes');

const toBytes = (words: Iterable<number>): Buffer => Buffer.from(Uint32Array.from(words).buffer);

test('attributes are padded to four bytes, but their length is not', () => {
  assert.is(toBytes(attribute(3, Buffer.from('eth0\xff'))).toString('hex'), '0a00030065746830c3bf0000');
  assert.is(toBytes(attribute(3, Buffer.from('eth0\0'))).toString('hex'), '090003006574683000000000');
  assert.is(toBytes(attribute(3, Buffer.alloc(0))).toString('hex'), '04000300');
  assert.is(toBytes(u8(8, 1)).toString('hex'), '0500080001000000');
  assert.is(toBytes(struct(2, [7], [8, 9])).toString('hex'), '10000200070000000800000009000000');
});

test('decodeAttributes() reads nested ones and strips the flags of their type', () => {
  const wire = toBytes([...u32(4, 1500), ...nested(18, text(1, 'veth'), nested(2, u32(9, 1))), ...u8(5, 3)]);
  const attributes = decodeAttributes(wire);
  assert.is(readU32(attributes, 4), 1500);
  assert.is(readText(inside(attributes, 18), 1), 'veth');
  assert.is(readU32(inside(inside(attributes, 18), 2), 9), 1);
  assert.is(readU8(attributes, 5), 3);
  assert.is(readU32(attributes, 5), undefined);
  assert.equal(readBytes(attributes, 4), Buffer.of(0xdc, 5, 0, 0));
  assert.equal(typesOf(attributes), [4, 18, 5]);
  assert.equal(typesOf(inside(attributes, 99)), []);
  for (const read of [readU8, readU32, readText, readBytes]) assert.is(read(attributes, 99), undefined);
});

test('bytes after a nested attribute do not belong to it', () => {
  const attributes = decodeAttributes(toBytes([...nested(18), ...u32(9, 1)]));
  assert.is(readU32(inside(attributes, 18), 9), undefined);
  assert.is(readU8(attributes, 18), undefined);
  assert.is(readText(attributes, 18), '');
});

test('a text ends at its first NUL, or with the attribute', () => {
  const attributes = decodeAttributes(
    toBytes([...attribute(1, Buffer.from('a\0b')), ...attribute(2, Buffer.from('cd'))]),
  );
  assert.is(readText(attributes, 1), 'a');
  assert.is(readText(attributes, 2), 'cd');
});

for (const [why, hex] of [
  ['a length below the header', '03000100ffff'],
  ['a length beyond the end', 'ff000100'],
  ['half a header', '0800'],
] as const) {
  test(`decodeAttributes() stops at ${why}`, () => {
    assert.equal(typesOf(decodeAttributes(Buffer.from(hex, 'hex'))), []);
  });
}

test.run();
