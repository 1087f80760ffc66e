import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeRecord, readBinding, readRecord } from '../../../shared/record.ts';
import { KEY, linkOf, tapOf } from '../../helpers/pod/seen.ts';

const test = suite('the record');

const RECORD = {
  key: KEY,
  binding: 'tap' as const,
  podLink: 'eth0',
  mtu: 1500,
  restore: { clsact: true, allmulti: false, noQueue: false, down: false, silence: false },
  told: [],
};

const toldIn = (ifalias: string) => {
  const record = readRecord(tapOf({ ifalias }));
  return record?.binding === 'tap' ? record.told : undefined;
};

test('encodeRecord() writes text that `ip link` shows', () => {
  assert.is(
    encodeRecord(RECORD),
    'tapwire/1 container=pod1 ifname=net1 binding=tap link=eth0 mtu=1500 clsact=1 allmulti=0 noqueue=0 down=0 silence=0 told=0',
  );
});

for (const told of [[], ['a1b2c3'], ['a1b2c3', '0f0f0f', '*9']]) {
  test(`recordOf() finds the untrue claims of prevResult: ${told.join(',')}`, () => {
    assert.equal(toldIn(encodeRecord({ ...RECORD, told })), told);
  });
}

test('a record of an older ADD has no claims of prevResult', () => {
  const ifalias = encodeRecord({ ...RECORD, told: null });
  assert.is(ifalias.includes('told'), false);
  assert.is(toldIn(ifalias), null);
});

test('the longest record fits, with every key that a record may have', () => {
  const key = { containerId: 'x'.repeat(64), ifname: 'interface-15-ch' };
  const told = ['a1b2c3', 'a1b2c3', 'a1b2c3', 'a1b2c3', 'a1b2c3', '*50000'];
  const ifalias = encodeRecord({ ...RECORD, key, podLink: 'interface-15-ch', mtu: 65535, told });
  assert.ok(Buffer.byteLength(ifalias) <= 255, `${ifalias.length} bytes`);
  assert.equal(toldIn(ifalias), told);
});

for (const [why, want, ifalias] of [
  ['the form of this version', 'tap', encodeRecord(RECORD)],
  [
    'a later form',
    'passt',
    encodeRecord(RECORD).replace('tapwire/1', 'tapwire/12').replace('=tap ', '=passt '),
  ],
  ['a binding at the end', 'tap', 'tapwire/2 binding=tap'],
  ['no binding', undefined, 'tapwire/1 container=pod1'],
  ['a form alone', undefined, 'tapwire/1'],
  ['a form without a number', undefined, 'tapwire/x binding=tap'],
  ['a key that ends in "binding"', undefined, 'tapwire/1 xbinding=tap'],
  ['an alias of another program', undefined, 'eth3 binding=tap'],
  ['no alias', undefined, null],
] as const) {
  test(`readBinding() reads ${want ?? 'nothing'} from ${why}`, () => {
    assert.is(readBinding(tapOf({ ifalias })), want);
  });
}

test('readRecord() reads a tap with this form, and neither another link nor another form', () => {
  const ifalias = encodeRecord(RECORD);
  assert.equal(readRecord(tapOf({ ifalias })), RECORD);
  assert.is(readRecord(linkOf(3, 'tap0', { ifalias })), null);
  for (const form of ['tapwire/2', 'tapwire/01', 'tapwire'])
    assert.is(readRecord(tapOf({ ifalias: ifalias.replace('tapwire/1', form) })), null, form);
});

test('readRecord() returns null for an unknown binding, and for one that creates no such link', () => {
  const ifalias = encodeRecord(RECORD);
  assert.is(readRecord(tapOf({ ifalias }))?.binding, 'tap');
  for (const binding of ['macvlan', 'passt', 'constructor', '']) {
    const link = tapOf({ ifalias: ifalias.replace('binding=tap', `binding=${binding}`) });
    assert.is(readRecord(link), null, binding);
  }
});

test.run();
