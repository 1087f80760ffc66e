import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesAt, type FrameProtocol, sourceMac } from '../../../../shared/frame-match.ts';
import type { Expression } from '../../../../shared/nftables/expression.ts';
import { matchExpressions } from '../../../../shared/nftables/frame-rule.ts';

const test = suite('frame matches as nftables expressions');

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

/** Expressions in the manner of `nft --debug=netlink`. */
const show = (expressions: readonly Expression[]): readonly string[] =>
  expressions.map((expression) => {
    switch (expression.is) {
      case 'load':
        return `${expression.length} @ ${expression.header} + ${expression.offset}`;
      case 'bitwise':
        return `& ${hexOf(expression.mask)} ^ ${hexOf(expression.xor)}`;
      case 'cmp':
        return `== ${hexOf(expression.equal)}`;
      default:
        return expression.is;
    }
  });

const hexOf = (value: Uint8Array): string => Buffer.from(value).toString('hex');

for (const [protocol, ethertype] of [
  ['ip', '0800'],
  ['arp', '0806'],
  ['ipv6', '86dd'],
  ['rarp', '8035'],
] as const) {
  test(`matchExpressions() compares the EtherType of the Ethernet header: ${protocol}`, () => {
    assert.equal(show(matchExpressions({ protocol, keys: [] })), ['2 @ link + 12', `== ${ethertype}`]);
  });
}

test('matchExpressions() compares nothing for every frame', () => {
  assert.equal(matchExpressions({ protocol: 'all', keys: [] }), []);
});

const ofAll = (...keys: readonly ReturnType<typeof bytesAt>[]) =>
  show(matchExpressions({ protocol: 'all', keys: keys.flat() }));

test('matchExpressions() loads only bytes that count', () => {
  assert.equal(ofAll(bytesAt(9, bytes('11'))), ['1 @ network + 9', '== 11']);
  assert.equal(ofAll(bytesAt(20, bytes('00440043'))), ['4 @ network + 20', '== 00440043']);
  assert.equal(ofAll(bytesAt(18, bytes('020000000001'))), ['6 @ network + 18', '== 020000000001']);
});

test('matchExpressions() masks bits', () => {
  assert.equal(ofAll(bytesAt(6, bytes('0000'), bytes('1fff'))), [
    '2 @ network + 6',
    '& 1fff ^ 0000',
    '== 0000',
  ]);
});

test('matchExpressions() joins adjacent words, up to the size of a register', () => {
  const address = 'fd000050000000000000000000000007';
  assert.equal(ofAll(bytesAt(8, bytes(address))), ['16 @ network + 8', `== ${address}`]);
  assert.equal(ofAll(bytesAt(8, bytes(`${address}01020304`))), [
    '16 @ network + 8',
    `== ${address}`,
    '4 @ network + 24',
    '== 01020304',
  ]);
});

test('matchExpressions() joins adjacent words with and without a mask', () => {
  assert.equal(
    ofAll(bytesAt(8, bytes('fe80000000000000'), bytes('ffc0000000000000')), bytesAt(12, bytes('01'))),
    ['5 @ network + 8', '& ffc00000ff ^ 0000000000', '== fe80000001'],
  );
});

test('matchExpressions() compares in the order of the keys', () => {
  assert.equal(
    ofAll(bytesAt(20, bytes('00440043')), bytesAt(0, bytes('45')), bytesAt(16, bytes('ffffffff'))),
    ['4 @ network + 20', '== 00440043', '1 @ network + 0', '== 45', '4 @ network + 16', '== ffffffff'],
  );
});

for (const [what, protocol, keys] of [
  ['VLAN tags', 'vlan', []],
  ['bytes at -8', 'all', sourceMac(bytes('020000000001'))],
] as const satisfies readonly (readonly [string, FrameProtocol, ReturnType<typeof sourceMac>])[]) {
  test(`matchExpressions() rejects a match on ${what}`, () => {
    assert.throws(
      () => matchExpressions({ protocol, keys }),
      (error: unknown) =>
        error instanceof TypeError && error.message === `Unreachable: no rule of Tapwire matches ${what}`,
    );
  });
}

test.run();
