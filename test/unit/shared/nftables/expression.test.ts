import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ACCEPT,
  COUNTER,
  DROP,
  type Expression,
  entersBy,
  isSameExpression,
  leavesBy,
} from '../../../../shared/nftables/expression.ts';

const test = suite('expressions of nftables');

const PLACE = { header: 'network', offset: 12, length: 4 } as const;
const CHECKSUM = { offset: 10, isPseudoHeader: true };
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

/** Expressions that differ in one property from their neighbours. */
const DIFFERENT: readonly Expression[] = [
  { is: 'meta', key: 'iifname' },
  { is: 'meta', key: 'oifname' },
  { is: 'load', ...PLACE },
  { is: 'load', ...PLACE, header: 'transport' },
  { is: 'load', ...PLACE, offset: 16 },
  { is: 'load', ...PLACE, length: 8 },
  { is: 'immediate', value: bytes(1, 2) },
  { is: 'immediate', value: bytes(1, 3) },
  { is: 'bitwise', mask: bytes(255), xor: bytes(0) },
  { is: 'bitwise', mask: bytes(15), xor: bytes(0) },
  { is: 'bitwise', mask: bytes(255), xor: bytes(1) },
  { is: 'cmp', equal: bytes(1) },
  { is: 'cmp', equal: bytes(1, 0) },
  { is: 'write', ...PLACE, checksum: CHECKSUM },
  { is: 'write', ...PLACE, checksum: { ...CHECKSUM, offset: null } },
  { is: 'write', ...PLACE, checksum: { ...CHECKSUM, isPseudoHeader: false } },
  { is: 'write', ...PLACE, offset: 16, checksum: CHECKSUM },
  COUNTER,
  { is: 'counter', packets: 1, bytes: 0 },
  { is: 'counter', packets: 0, bytes: 1 },
  ACCEPT,
  DROP,
];

test('isSameExpression() returns true for equal expressions only', () => {
  for (const one of DIFFERENT) {
    const same = DIFFERENT.filter((other) => isSameExpression(one, structuredClone(other)));
    assert.equal(same, [one]);
  }
});

test('isSameExpression() compares bytes of any array type', () => {
  const equal = Buffer.from([1, 2]);
  assert.ok(isSameExpression({ is: 'cmp', equal }, { is: 'cmp', equal: bytes(1, 2) }));
});

test('isSameExpression() returns false for unknown expressions, and for a missing one', () => {
  const other: Expression = { is: 'other', name: 'masq' };
  assert.not(isSameExpression(other, other));
  for (const one of DIFFERENT) assert.not(isSameExpression(one, undefined));
});

test('leavesBy() and entersBy() compare the padded name of the link', () => {
  const equal = Buffer.from('eth0\0\0\0\0\0\0\0\0\0\0\0\0');
  assert.equal(leavesBy('eth0'), [
    { is: 'meta', key: 'oifname' },
    { is: 'cmp', equal },
  ]);
  assert.equal(entersBy('eth0'), [
    { is: 'meta', key: 'iifname' },
    { is: 'cmp', equal },
  ]);
});

test.run();
