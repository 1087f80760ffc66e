import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeLinkOwner, isUnfinishedMacvtap, recordOf, tapRecordOf } from '../../../../cni/plan/ours.ts';
import { encodeRecord, OPEN_PASSAGE } from '../../../../shared/record.ts';
import { KEY, linkOf, MACVTAP, macvtapOf, OTHER, tapOf } from '../../../helpers/pod/seen.ts';

const test = suite('recordOf() and describeLinkOwner()');

const RECORD = {
  key: KEY,
  binding: 'tap' as const,
  podLink: 'eth0',
  mtu: 1500,
  restore: { clsact: true, allmulti: false, noQueue: false, down: false, silence: false },
  told: [],
  passage: OPEN_PASSAGE,
};

const LONGEST =
  255 -
  'tapwire/1 container= ifname=interface-15-ch binding=tap link=pod16477688c0e mtu=1500 clsact=1 allmulti=0 noqueue=0 down=0 silence=0 told=0'
    .length;

for (const id of ['a', 'x'.repeat(64), 'x'.repeat(LONGEST), 'x'.repeat(LONGEST + 1), 'x'.repeat(4096)]) {
  test(`recordOf() finds a record whose container id has ${id.length} characters, and its alias has at most 255 bytes`, () => {
    const key = { containerId: id, ifname: 'interface-15-ch' };
    const record = { ...RECORD, key, podLink: 'pod16477688c0e' };
    const ifalias = encodeRecord(record);
    assert.ok(Buffer.byteLength(ifalias) <= 255, `${ifalias.length} bytes`);
    assert.is(ifalias.includes(`container=${id} `), id.length <= LONGEST, 'the id is whole if it fits');
    assert.equal(recordOf(tapOf({ ifalias }), key), record);
    assert.is(recordOf(tapOf({ ifalias }), { ...key, containerId: `${id}x` }), null);
  });
}

for (const [why, ifalias] of [
  ['no alias', null],
  ["another program's alias", 'eth3'],
  ['a later version of the record', encodeRecord(RECORD).replace('tapwire/1', 'tapwire/2')],
  ["another container's record", encodeRecord({ ...RECORD, key: OTHER })],
  ['garbage', 'tapwire/1 = container ifname=net1'],
] as const) {
  test(`recordOf() returns null for ${why}`, () => {
    assert.is(recordOf(tapOf({ ifalias }), KEY), null);
  });
}

test('recordOf() reads the record of an older version, which neither set a link up nor silenced a pod', () => {
  const earlier = encodeRecord(RECORD).replace(' down=0 silence=0', '');
  const { restore } = tapRecordOf(tapOf({ ifalias: earlier }), KEY) ?? {};
  assert.equal(restore, { ...RECORD.restore, down: null, silence: false });
});

test('isUnfinishedMacvtap() accepts only a macvtap of this name without a record, at an index that Tapwire chooses', () => {
  for (const ifalias of [null, '']) assert.ok(isUnfinishedMacvtap(macvtapOf({ ifalias }), KEY));
  const changes = [
    { ifalias: 'eth3' },
    {},
    { ifalias: null, ifname: 'net2' },
    { ifalias: null, ifindex: 2 ** 29 - 1 },
    { ifalias: null, macvtap: null, kind: 'macvlan' },
  ];
  for (const change of changes)
    assert.not(isUnfinishedMacvtap(macvtapOf(change), KEY), JSON.stringify(change));
});

test('tapRecordOf() returns null for the macvtap of the attachment', () =>
  assert.equal([tapRecordOf(macvtapOf(), KEY), recordOf(macvtapOf(), KEY)], [null, MACVTAP]));

test('describeLinkOwner() names the attachment of a Tapwire tap, but none for a physical link with the same alias', () => {
  assert.is(
    describeLinkOwner(tapOf({ ifalias: encodeRecord(RECORD) })),
    'the Tapwire link of "net1" in container "pod1"',
  );
  assert.is(
    describeLinkOwner(linkOf(3, 'tap0', { kind: null, ifalias: encodeRecord(RECORD) })),
    'a physical link that Tapwire did not make',
  );
});

test.run();
