import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeMessages, encodeRequests, NLM_F_ACK } from '../../../../shared/netlink/message.ts';

const test = suite('netlink messages');

const toBytes = (words: Iterable<number>): Buffer => Buffer.from(Uint32Array.from(words).buffer);

test('encodeRequests() writes header and body', () => {
  const request = encodeRequests([{ type: 18, flags: NLM_F_ACK, body: [0xf4030201] }], 7);
  assert.is(toBytes(request).toString('hex'), '140000001200050007000000000000000' + '10203f4');
});

test('decodeMessages() reads consecutive messages of encodeRequests()', () => {
  const bodies = [[1], [], [2 ** 32 - 1, 9]];
  const wire = encodeRequests(
    bodies.map((body, i) => ({ type: 16 + i, flags: 0, body })),
    0,
  );
  assert.equal(
    decodeMessages(toBytes(wire)).map(({ type, seq, body }) => ({ type, seq, body })),
    bodies.map((body, i) => ({ type: 16 + i, seq: i, body: toBytes(body) })),
  );
});

test('decodeMessages() expects the next message at a multiple of four bytes', () => {
  const hex = `1300000010000000000000000000000001020300${'10000000110000000100000000000000'}`;
  assert.equal(
    decodeMessages(Buffer.from(hex, 'hex')).map(({ type, body }) => [type, body.toString('hex')]),
    [
      [16, '010203'],
      [17, ''],
    ],
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

test.run();
