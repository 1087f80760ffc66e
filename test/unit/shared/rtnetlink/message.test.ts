import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  attribute,
  decodeAttributes,
  decodeMessages,
  encodeRequests,
  inside,
  NLM_F_ACK,
  nested,
  readText,
  readU32,
  text,
  u32,
} from '../../../../shared/rtnetlink/message.ts';

const test = suite('netlink messages');

test('encodeRequests() writes header and body', () => {
  const request = encodeRequests([{ type: 18, flags: NLM_F_ACK, body: Buffer.of(1, 2, 3, 4) }], 7);
  assert.is(request.toString('hex'), '140000001200050007000000000000000' + '1020304');
});

test('decodeMessages() reads what encodeRequests() wrote, one after the other, padded', () => {
  const bodies = [Buffer.of(1, 2, 3, 4), Buffer.alloc(0), Buffer.alloc(7, 9), Buffer.alloc(8, 9)];
  const wire = encodeRequests(
    bodies.map((body, i) => ({ type: 16 + i, flags: 0, body })),
    0,
  );
  assert.equal(
    decodeMessages(wire).map(({ type, seq, body }) => ({ type, seq, body: body.toString('hex') })),
    bodies.map((body, i) => ({ type: 16 + i, seq: i, body: body.toString('hex') })),
  );
});

for (const [why, hex] of [
  ['half a header', '14000000'],
  ['a length below the header', '0800000012000500070000000000000001020304'],
  ['a length beyond the end', 'ff00000012000500070000000000000001020304'],
] as const) {
  test(`decodeMessages() stops at ${why}`, () => {
    assert.equal(decodeMessages(Buffer.from(hex, 'hex')), []);
  });
}

test('attributes are padded to four bytes, their length is not', () => {
  assert.is(attribute(3, Buffer.from('eth0\0')).toString('hex'), '090003006574683000000000');
});

test('decodeAttributes() reads nested ones and strips the flags of their type', () => {
  const wire = Buffer.concat([u32(4, 1500), nested(18, text(1, 'veth'), nested(2, u32(9, 1)))]);
  const attributes = decodeAttributes(wire);
  assert.is(readU32(attributes.get(4)), 1500);
  assert.is(readText(inside(attributes, 18).get(1)), 'veth');
  assert.is(readU32(inside(inside(attributes, 18), 2).get(9)), 1);
  assert.equal(inside(attributes, 99).types(), []);
});

for (const [why, hex] of [
  ['a length below the header', '03000100ffff'],
  ['a length beyond the end', 'ff000100'],
  ['half a header', '0800'],
] as const) {
  test(`decodeAttributes() stops at ${why}`, () => {
    assert.equal(decodeAttributes(Buffer.from(hex, 'hex')).types(), []);
  });
}

test.run();
