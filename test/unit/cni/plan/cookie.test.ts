import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeCookie, encodeRecord, type Restore, restoreOf } from '../../../../cni/plan/cookie.ts';
import { describeHolder, recordOf } from '../../../../cni/plan/ours.ts';
import { KEY, linkOf, OTHER, tapOf } from '../../../helpers/seen.ts';

const test = suite('the record');

const RECORD = {
  key: KEY,
  podLink: 'eth0',
  mtu: 1500,
  restore: { clsact: true, allmulti: false, noQueue: false, down: false, silence: false },
  told: [],
};

test('encodeRecord() can be read in `ip link`', () => {
  assert.is(
    encodeRecord(RECORD),
    'tapwire/1 container=pod1 ifname=net1 binding=tap link=eth0 mtu=1500 clsact=1 allmulti=0 noqueue=0 down=0 silence=0 told=0',
  );
});

const LONGEST =
  255 -
  'tapwire/1 container= ifname=interface-15-ch binding=tap link=pod16477688c0e mtu=1500 clsact=1 allmulti=0 noqueue=0 down=0 silence=0 told=0'
    .length;

for (const id of ['a', 'x'.repeat(64), 'x'.repeat(LONGEST), 'x'.repeat(LONGEST + 1), 'x'.repeat(4096)]) {
  test(`a container id of ${id.length} characters fits and is found again`, () => {
    const key = { containerId: id, ifname: 'interface-15-ch' };
    const record = { ...RECORD, key, podLink: 'pod16477688c0e' };
    const ifalias = encodeRecord(record);
    assert.ok(Buffer.byteLength(ifalias) <= 255, `${ifalias.length} bytes`);
    assert.is(ifalias.includes(`container=${id} `), id.length <= LONGEST, 'it is whole where it fits');
    assert.equal(recordOf(tapOf({ ifalias }), key), record);
    assert.is(recordOf(tapOf({ ifalias }), { ...key, containerId: `${id}x` }), null);
  });
}

for (const told of [[], ['a1b2c3'], ['a1b2c3', '0f0f0f', '*9']]) {
  test(`what prevResult claimed is found again: ${told.join(',')}`, () => {
    assert.equal(recordOf(tapOf({ ifalias: encodeRecord({ ...RECORD, told }) }), KEY)?.told, told);
  });
}

test('a record of an older ADD says nothing of what prevResult claimed', () => {
  const ifalias = encodeRecord({ ...RECORD, told: null });
  assert.is(ifalias.includes('told'), false);
  assert.is(recordOf(tapOf({ ifalias }), KEY)?.told, null);
});

test('the longest record fits, with every key that a record may have', () => {
  const key = { containerId: 'x'.repeat(64), ifname: 'interface-15-ch' };
  const told = ['a1b2c3', 'a1b2c3', 'a1b2c3', 'a1b2c3', 'a1b2c3', '*50000'];
  const ifalias = encodeRecord({ ...RECORD, key, podLink: 'interface-15-ch', mtu: 65535, told });
  assert.ok(Buffer.byteLength(ifalias) <= 255, `${ifalias.length} bytes`);
  assert.equal(recordOf(tapOf({ ifalias }), key)?.told, told);
});

for (const [why, ifalias] of [
  ['no alias', null],
  ["somebody else's alias", 'eth3'],
  ['a later form of the record', encodeRecord(RECORD).replace('tapwire/1', 'tapwire/2')],
  ["another container's record", encodeRecord({ ...RECORD, key: OTHER })],
  ['garbage', 'tapwire/1 = container ifname=net1'],
] as const) {
  test(`recordOf() finds none in ${why}`, () => {
    assert.is(recordOf(tapOf({ ifalias }), KEY), null);
  });
}

test('restoreOf() reads the flags of our own cookie only', () => {
  const FLAGS = ['clsact', 'allmulti', 'noQueue', 'down', 'silence'] as const;
  for (let bits = 0; bits < 1 << FLAGS.length; bits++) {
    const restore = Object.fromEntries(FLAGS.map((flag, i) => [flag, (bits & (1 << i)) !== 0]));
    const cookie = encodeCookie(KEY, restore as unknown as Restore);
    assert.is(cookie.slice(30), bits.toString(16).padStart(2, '0'));
    assert.equal(restoreOf(cookie, KEY), restore);
    assert.is(restoreOf(cookie, OTHER), null);
  }
  assert.is(restoreOf(null, KEY), null);
});

test('recordOf() reads what an earlier version wrote: it left the link as it was, and silenced nobody', () => {
  const earlier = encodeRecord(RECORD).replace(' down=0 silence=0', '');
  const { restore } = recordOf(tapOf({ ifalias: earlier }), KEY) ?? {};
  assert.equal(restore, { ...RECORD.restore, down: null, silence: false });
});

test('a container and ifname that join to the same text have different cookies', () => {
  const cookie = (containerId: string, ifname: string) =>
    encodeCookie({ containerId, ifname }, RECORD.restore);
  assert.is.not(cookie('ab', 'c'), cookie('a', 'bc'));
});

test('describeHolder() says whose link it is', () => {
  assert.is(
    describeHolder(tapOf({ ifalias: encodeRecord(RECORD) })),
    'Tapwire\'s for container "pod1", "net1"',
  );
  assert.is(
    describeHolder(linkOf(3, 'tap0', { kind: null, ifalias: encodeRecord(RECORD) })),
    'a physical link that Tapwire did not make',
  );
});

test.run();
