import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { recordOf } from '../../../cni/plan/ours.ts';
import { encodeRecord, OPEN_PASSAGE, readBinding, readRecord, SPOOF_GUARDS } from '../../../shared/record.ts';
import { MACVTAP_MODES } from '../../../shared/rtnetlink/macvtap.ts';
import { KEY, linkOf, MACVTAP, macvtapOf, tapOf } from '../../helpers/pod/seen.ts';

const test = suite('the record');

const RECORD = {
  key: KEY,
  binding: 'tap' as const,
  podLink: 'eth0',
  mtu: 1500,
  restore: { clsact: true, allmulti: false, noQueue: false, down: false, silence: false },
  told: [],
  passage: OPEN_PASSAGE,
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

for (const guard of SPOOF_GUARDS) {
  for (const [serves, ipv6] of [
    [false, false],
    [true, false],
    [true, true],
  ] as const) {
    test(`the record says what may pass: services ${serves}, with IPv6 ${ipv6}, guard ${guard}`, () => {
      const record = { ...RECORD, passage: { serves, ipv6, guard } };
      const ifalias = encodeRecord(record);
      assert.equal(readRecord(tapOf({ ifalias })), record);
      assert.match(ifalias, serves || guard !== 'off' ? / told=0 g=[1-9a-f]$/ : / told=0$/);
    });
  }
}

test('the numbers of the passage are those that every version writes', () => {
  for (const [passage, digit] of [
    [{ serves: true, ipv6: false, guard: 'off' }, '1'],
    [{ serves: true, ipv6: true, guard: 'off' }, '3'],
    [{ serves: false, ipv6: false, guard: 'mac' }, '4'],
    [{ serves: true, ipv6: true, guard: 'addresses' }, 'b'],
  ] as const)
    assert.match(encodeRecord({ ...RECORD, passage }), new RegExp(` g=${digit}$`));
});

for (const forged of ['', 'x', '-1', 'c', '99999999', 'b g=0']) {
  test(`a passage that no version writes is read as some passage: ${forged}`, () => {
    const record = readRecord(tapOf({ ifalias: `${encodeRecord(RECORD)} g=${forged}` }));
    assert.ok(record?.binding === 'tap' && SPOOF_GUARDS.includes(record.passage.guard));
  });
}

for (const [why, containerId, left] of [
  ['the id of a container', 'x'.repeat(64), 7],
  ['an id so long that its hash stands for it', 'x'.repeat(300), 0],
] as const) {
  test(`the longest record with ${why} has ${left} bytes left`, () => {
    const key = { containerId, ifname: 'interface-15-ch' };
    const told = ['a1b2c3', 'a1b2c3', 'a1b2c3', 'a1b2c3', 'a1b2c3', '*50000'];
    const passage = { serves: true, ipv6: true, guard: 'addresses' } as const;
    const ifalias = encodeRecord({ ...RECORD, key, podLink: 'interface-15-ch', mtu: 65535, told, passage });
    assert.is(255 - Buffer.byteLength(ifalias), left);
    assert.equal(toldIn(ifalias), told);
  });
}

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

test('encodeRecord() writes what ADD gave a macvtap, and readRecord() reads it', () => {
  assert.is(
    encodeRecord(MACVTAP),
    'tapwire/1 container=pod1 ifname=net1 binding=macvtap link=uplink0 mtu=1500 mac=02:00:00:00:00:0a mode=bridge owner=107 group=107 allmulti=1 promisc=0',
  );
  for (const changes of [
    {},
    ...MACVTAP_MODES.map((mode) => ({ mode })),
    { allmulticast: false, promisc: true },
    { owner: 0, group: 2 ** 32 - 2, mtu: 68 },
    { key: { containerId: 'a=b', ifname: 'x=y' }, lowerDevice: 'bond0.100@=%' },
  ]) {
    const record = { ...MACVTAP, ...changes };
    assert.equal(readRecord(macvtapOf({ ifalias: encodeRecord(record) })), record);
  }
});

for (const [length, isWhole] of [
  [64, true],
  [74, true],
  [75, false],
  [4096, false],
] as const) {
  test(`the longest record of a macvtap has at most 255 bytes with a container id of ${length} characters`, () => {
    const key = { containerId: 'x'.repeat(length), ifname: 'interface-15-ch' };
    const lowerDevice = 'enp161s0f1np1.1';
    const ids = { owner: 2 ** 32 - 2, group: 2 ** 32 - 2 };
    const record = { ...MACVTAP, ...ids, key, lowerDevice, mode: 'passthru', mtu: 65535 } as const;
    const ifalias = encodeRecord(record);
    assert.ok(Buffer.byteLength(ifalias) <= 255, `${ifalias.length} bytes`);
    assert.is(ifalias.includes(`container=${key.containerId} `), isWhole);
    assert.equal(recordOf(macvtapOf({ ifalias }), key), record);
    assert.is(recordOf(macvtapOf({ ifalias }), { ...key, containerId: `${key.containerId}y` }), null);
  });
}

test('only a macvtap can have the record of a macvtap, and only a tap that of a tap', () => {
  assert.is(readRecord(tapOf({ ifalias: encodeRecord(MACVTAP) })), null);
  assert.is(readRecord(macvtapOf({ ifalias: encodeRecord(RECORD) })), null);
  assert.is(readRecord(macvtapOf({ kind: 'macvlan', macvtap: null })), null);
});

test('a forged record of a macvtap gives values that equal nothing', () => {
  const forged = readRecord(macvtapOf({ ifalias: 'tapwire/1 container=pod1 ifname=net1 binding=macvtap' }));
  assert.equal(forged, {
    ...{ key: KEY, binding: 'macvtap', lowerDevice: '', mode: 'bridge', mac: '' },
    ...{ mtu: Number.NaN, owner: Number.NaN, group: Number.NaN, allmulticast: false, promisc: false },
  });
});

test.run();
