import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  attribute,
  decodeAttributes,
  nested,
  text,
  type Words,
} from '../../../../shared/netlink/attribute.ts';
import { ACCEPT, COUNTER, DROP, type Expression } from '../../../../shared/nftables/expression.ts';
import { decodeExpression, encodeExpression } from '../../../../shared/nftables/expression-codec.ts';
import { be32 } from '../../../../shared/nftables/message.ts';

const test = suite('the format of nftables expressions');

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const toBytes = (words: Words): Buffer => Buffer.from(Uint32Array.from(words).buffer);
const hexOf = (expression: Expression): string => toBytes(encodeExpression(expression)).toString('hex');

/** A 32-bit attribute in network byte order. */
const word = (type: string, value: string): string => `0800${type}00${value.padStart(8, '0')}`;

/** Numbers of NFT_META_*. */
for (const [key, number] of [
  ['iifname', '06'],
  ['oifname', '07'],
  ['nfproto', '0f'],
  ['l4proto', '10'],
] as const) {
  test(`encodeExpression() writes meta ${key}`, () => {
    const want =
      '24000180090001006d65746100000000' + // name: meta
      `14000280${word('01', '1')}${word('02', number)}`; // to register 1, the key
    assert.is(hexOf({ is: 'meta', key }), want);
  });
}

/** Name of the expression: payload. */
const PAYLOAD = '0c0001007061796c6f616400';

/** Numbers of NFT_PAYLOAD_*_HEADER. */
for (const [header, number] of [
  ['link', '0'],
  ['network', '1'],
  ['transport', '2'],
] as const) {
  test(`encodeExpression() loads bytes of the ${header} header`, () => {
    const want =
      `34000180${PAYLOAD}24000280` +
      word('01', '1') + // to register 1
      word('02', number) + // header
      word('03', '18') + // offset
      word('04', '10'); // length
    assert.is(hexOf({ is: 'load', header, offset: 24, length: 16 }), want);
  });
}

test('encodeExpression() limits packets to so many in a second', () => {
  const want =
    '3c0001800a0001006c696d6974000000' + // name: limit
    '2c000280' +
    '0c000100' +
    '0000000000000002' + // packets
    '0c000200' +
    '0000000000000001' + // in a second
    word('03', '14') + // burst
    word('04', '0'); // packets, not bytes
  assert.is(hexOf({ is: 'limit', perSecond: 2, burst: 20 }), want);
});

test('encodeExpression() makes the register the type of the packet', () => {
  const want =
    '24000180090001006d65746100000000' + // name: meta
    '14000280' +
    word('02', '13') + // packet type
    word('03', '1'); // from register 1
  assert.is(hexOf({ is: 'setPacketType' }), want);
});

test('encodeExpression() writes bytes that an Internet checksum of the same header covers', () => {
  const want =
    `4c000180${PAYLOAD}3c000280` +
    word('05', '1') + // from register 1
    word('02', '2') + // transport header
    word('03', '0') + // offset
    word('04', '2') + // length
    word('06', '1') + // NFT_PAYLOAD_CSUM_INET
    word('07', '2') + // offset of the checksum
    word('08', '0'); // flags
  const checksum = { offset: 2, isPseudoHeader: false };
  assert.is(hexOf({ is: 'write', header: 'transport', offset: 0, length: 2, checksum }), want);
});

test('encodeExpression() writes bytes that the checksum of the transport header covers', () => {
  const want =
    `4c000180${PAYLOAD}3c000280` +
    word('05', '1') + // from register 1
    word('02', '1') + // network header
    word('03', '8') + // offset
    word('04', '10') + // length
    word('06', '0') + // NFT_PAYLOAD_CSUM_NONE
    word('07', '0') + // offset of the checksum
    word('08', '1'); // NFT_PAYLOAD_L4CSUM_PSEUDOHDR
  const checksum = { offset: null, isPseudoHeader: true };
  assert.is(hexOf({ is: 'write', header: 'network', offset: 8, length: 16, checksum }), want);
});

test('encodeExpression() writes a mask and what to flip', () => {
  const want =
    '440001800c0001006269747769736500' + // name: bitwise
    '34000280' +
    word('01', '1') + // from register 1
    word('02', '1') + // to register 1
    word('03', '2') + // length
    '0c00048006000100' + // mask
    '00ff0000' +
    '0c00058006000100' + // flipped bits
    '86000000';
  assert.is(hexOf({ is: 'bitwise', mask: bytes('00ff'), xor: bytes('8600') }), want);
});

test('encodeExpression() compares bytes', () => {
  const want =
    '2c00018008000100636d7000' + // name: cmp
    '20000280' +
    word('01', '1') + // register 1
    word('02', '0') + // NFT_CMP_EQ
    '0c00038005000100' + // data
    '3a000000';
  assert.is(hexOf({ is: 'cmp', equal: bytes('3a') }), want);
});

/** Name of the expression: immediate. */
const IMMEDIATE = '0e000100696d6d656469617465000000';

test('encodeExpression() loads constant bytes', () => {
  const want =
    `2c000180${IMMEDIATE}18000280` +
    word('01', '1') + // to register 1
    '0c00028006000100' + // data
    '40c00000';
  assert.is(hexOf({ is: 'immediate', value: bytes('40c0') }), want);
});

for (const [verdict, code] of [
  [ACCEPT, '1'],
  [DROP, '0'],
] as const) {
  test(`encodeExpression() writes the verdict "${verdict.is}"`, () => {
    const want =
      `30000180${IMMEDIATE}1c000280` +
      word('01', '0') + // to the verdict register
      `100002800c000280${word('01', code)}`; // data, verdict, code
    assert.is(hexOf(verdict), want);
  });
}

test('encodeExpression() writes a counter', () => {
  assert.is(hexOf(COUNTER), '140001800c000100636f756e7465720004000280');
});

test('encodeExpression() rejects an expression that Tapwire does not know', () => {
  assert.throws(
    () => encodeExpression({ is: 'other', name: 'masq' }),
    'Unreachable: Tapwire does not write expression "masq"',
  );
});

/** Decodes an element of a list without its header. */
const decode = (payload: Buffer): Expression => decodeExpression(decodeAttributes(payload));

const CHECKSUM = { offset: 2, isPseudoHeader: false };
const KNOWN: readonly Expression[] = [
  { is: 'meta', key: 'iifname' },
  { is: 'meta', key: 'oifname' },
  { is: 'meta', key: 'nfproto' },
  { is: 'meta', key: 'l4proto' },
  { is: 'load', header: 'link', offset: 12, length: 2 },
  { is: 'load', header: 'network', offset: 0, length: 1 },
  { is: 'load', header: 'transport', offset: 24, length: 16 },
  { is: 'immediate', value: bytes('40c0') },
  { is: 'bitwise', mask: bytes('ff'), xor: bytes('01') },
  { is: 'bitwise', mask: bytes('ff'.repeat(16)), xor: bytes('00'.repeat(16)) },
  { is: 'cmp', equal: bytes('3a') },
  { is: 'cmp', equal: bytes('00112233445566778899aabbccddeeff') },
  { is: 'write', header: 'transport', offset: 0, length: 2, checksum: CHECKSUM },
  { is: 'write', header: 'network', offset: 8, length: 16, checksum: { offset: null, isPseudoHeader: true } },
  { is: 'write', header: 'network', offset: 12, length: 4, checksum: { offset: 10, isPseudoHeader: true } },
  { is: 'limit', perSecond: 2, burst: 20 },
  { is: 'setPacketType' },
  COUNTER,
  ACCEPT,
  DROP,
];

test('decodeExpression() reads every expression that encodeExpression() writes', () => {
  for (const expression of KNOWN) {
    assert.equal(decode(toBytes(encodeExpression(expression)).subarray(4)), expression);
  }
});

test('decodeExpression() reads truncated expressions without an exception', () => {
  for (const expression of KNOWN) {
    const whole = toBytes(encodeExpression(expression)).subarray(4);
    for (let length = 0; length < whole.length; length++) decode(whole.subarray(0, length));
  }
});

test('decodeExpression() reads expressions with any byte changed without an exception', () => {
  for (const expression of KNOWN) {
    const whole = toBytes(encodeExpression(expression)).subarray(4);
    for (let at = 0; at < whole.length; at++) {
      for (const byte of [0x00, 0x01, 0x7f, 0xff]) {
        const changed = Buffer.from(whole);
        changed[at] = byte;
        decode(changed);
      }
    }
  }
});

const element = (name: string, ...data: readonly Words[]): Buffer =>
  toBytes([...text(1, name), ...nested(2, ...data)]);
const value = (type: number, hex: string): Words => nested(type, attribute(1, bytes(hex)));

const BITWISE = [be32(1, 1), be32(2, 1), be32(3, 4), value(4, 'ffff0000'), value(5, '00000000')];
const LOAD = [be32(1, 1), be32(2, 1), be32(3, 12), be32(4, 4)];
const WRITE = [be32(5, 1), be32(2, 1), be32(3, 12), be32(4, 4)];

test('decodeExpression() reads a mask with the operation that kernels list since 5.6', () => {
  const want = { is: 'bitwise', mask: bytes('ffff0000'), xor: bytes('00000000') };
  assert.equal(decode(element('bitwise', ...BITWISE)), want);
  assert.equal(decode(element('bitwise', ...BITWISE, be32(6, 0))), want);
});

/** Expressions that Tapwire does not write; most resemble its own. */
for (const [why, name, ...data] of [
  ['an unknown name', 'masq'],
  ['no name', ''],
  ['no attributes', 'payload'],
  ['meta with an unknown key', 'meta', be32(1, 1), be32(2, 2)],
  ['meta that sets a property', 'meta', be32(3, 1), be32(2, 1)],
  ['meta into another register', 'meta', be32(1, 2), be32(2, 1)],
  ['a load into another register', 'payload', be32(1, 2), ...LOAD.slice(1)],
  ['a load of an unknown header', 'payload', be32(1, 1), be32(2, 3), ...LOAD.slice(2)],
  ['a load without a length', 'payload', ...LOAD.slice(0, 3)],
  ['a write with an unknown checksum', 'payload', ...WRITE, be32(6, 2), be32(7, 2), be32(8, 0)],
  ['a write with unknown flags', 'payload', ...WRITE, be32(6, 1), be32(7, 2), be32(8, 2)],
  ['a write without a checksum', 'payload', ...WRITE],
  [
    'a write from another register',
    'payload',
    be32(5, 2),
    ...WRITE.slice(1),
    be32(6, 0),
    be32(7, 0),
    be32(8, 0),
  ],
  ['a shift', 'bitwise', ...BITWISE, be32(6, 1)],
  ['a mask from another register', 'bitwise', be32(1, 2), ...BITWISE.slice(1)],
  ['a mask into another register', 'bitwise', be32(1, 1), be32(2, 2), ...BITWISE.slice(2)],
  ['a mask that flips nothing', 'bitwise', ...BITWISE.slice(0, 4)],
  ['a comparison for inequality', 'cmp', be32(1, 1), be32(2, 1), value(3, '3a000000')],
  ['a comparison of another register', 'cmp', be32(1, 2), be32(2, 0), value(3, '3a000000')],
  ['a comparison without data', 'cmp', be32(1, 1), be32(2, 0)],
  ['a constant in another register', 'immediate', be32(1, 2), value(2, '40c00000')],
  ['a jump', 'immediate', be32(1, 0), nested(2, nested(2, be32(1, -3), text(2, 'chain')))],
] as const) {
  test(`decodeExpression() does not mistake ${why} for an expression of Tapwire`, () => {
    assert.equal(decode(element(name, ...data)), { is: 'other', name });
  });
}

test.run();
