import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newMacvtap, planAdd } from '../../../../../cni/bindings/macvtap/plan-add.ts';
import type { Earlier } from '../../../../../cni/bindings/macvtap/requirements.ts';
import { type Op, setLink } from '../../../../../cni/plan/op.ts';
import { encodeRecord, type MacvtapRecord } from '../../../../../shared/record.ts';
import { IFF_ALLMULTI, IFF_PROMISC, IFF_UP } from '../../../../../shared/rtnetlink/link.ts';
import { linkOf, MACVTAP, macvtapOf, VM_LAN } from '../../../../helpers/pod/seen.ts';

const test = suite('planAdd() of a macvtap');

const UPLINK = linkOf(17, 'uplink0', { txqlen: 500 });
const NEW = newMacvtap(MACVTAP, VM_LAN, UPLINK, 2);
const plan = (earlier: Earlier, record: MacvtapRecord = MACVTAP) =>
  planAdd(record, newMacvtap(record, VM_LAN, UPLINK, 2), earlier);
const opsOf = (...given: Parameters<typeof plan>): readonly (readonly Op[])[] =>
  plan(...given).map((level) => level.map((step) => step.do));

const FREE: Op = { op: 'freeDeviceNode', ifindex: VM_LAN };
const ADD: Op = { op: 'addMacvtap', macvtap: NEW };
const RECORD = setLink('net1', { set: 'alias', ifalias: encodeRecord(MACVTAP) });
const QUIET = setLink('net1', { set: 'addrgenmode none' });
const ALLMULTI = setLink('net1', { set: 'allmulticast', on: true });
const PROMISC = setLink('net1', { set: 'promisc', on: true });
const NO_IPV6: Op = { op: 'disableIpv6', link: 'net1' };
const UP = setLink('net1', { set: 'up', on: true });
const CLAIM: Op = { op: 'claimDeviceNode', link: 'net1', ifindex: VM_LAN, owner: 107, group: 107 };
const DELETE: Op = { op: 'deleteLink', link: 'net1' };

test('the macvtap has everything that one request can give it', () =>
  assert.equal(NEW, {
    ...{ ifname: 'net1', ifindex: VM_LAN, lower: 17, mode: 'bridge', mac: '02:00:00:00:00:0a' },
    ...{ mtu: 1500, txqlen: 500, queues: 2, promisc: false },
  }));

for (const [txqlen, want] of [
  [0, 1000],
  [1, 1],
  [2 ** 19, 2 ** 19],
  [2 ** 19 + 1, 1000],
] as const) {
  test(`a lower device with a queue of ${txqlen} frames gives the macvtap one of ${want}`, () =>
    assert.is(newMacvtap(MACVTAP, VM_LAN, { ...UPLINK, txqlen }, 1).txqlen, want));
}

test('the order is a contract: free node, link, record, no IPv6, up, and at last the right node', () =>
  assert.equal(opsOf('none'), [[FREE], [ADD], [RECORD, QUIET, ALLMULTI, NO_IPV6], [UP], [CLAIM]]));

test('the settings follow the record', () => {
  const record = { ...MACVTAP, allmulticast: false, promisc: true, owner: 0, group: 36 };
  assert.equal(opsOf('none', record).slice(2), [
    [setLink('net1', { set: 'alias', ifalias: encodeRecord(record) }), QUIET, PROMISC, NO_IPV6],
    [UP],
    [{ ...CLAIM, owner: 0, group: 36 }],
  ]);
});

test('mode "passthru" sets the MAC before the link goes up, because the kernel begins with that of the lower device', () => {
  const record = { ...MACVTAP, mode: 'passthru' } as const;
  const ifalias = encodeRecord(record);
  assert.equal(opsOf('none', record).slice(2), [
    [
      setLink('net1', { set: 'alias', ifalias }),
      QUIET,
      setLink('net1', { set: 'address', mac: MACVTAP.mac }),
      NO_IPV6,
    ],
    [UP],
    [ALLMULTI],
    [CLAIM],
  ]);
});

test('mode "passthru" turns allmulticast on once the link is up, and off before the undo deletes it', () => {
  const record = { ...MACVTAP, mode: 'passthru' } as const;
  const off = setLink('net1', { set: 'allmulticast', on: false });
  assert.equal(undosOf('none', record), [off, DELETE, { op: 'deleteDeviceNode', ifindex: VM_LAN }]);
  assert.equal(opsOf(macvtapOf({ flags: 0 }, record), record), [[UP], [ALLMULTI], [CLAIM]]);
  assert.equal(opsOf(macvtapOf({}, record), record), [[CLAIM]]);
  assert.equal(opsOf('none', { ...record, allmulticast: false }).slice(3), [[UP], [CLAIM]]);
});

test('a second ADD only verifies the device node', () => assert.equal(opsOf(macvtapOf()), [[CLAIM]]));

test('a second ADD leaves promiscuous mode and allmulticast of other programs', () => {
  const flags = IFF_UP | IFF_ALLMULTI | IFF_PROMISC;
  assert.equal(opsOf(macvtapOf({ flags })), [[CLAIM]]);
  const record = { ...MACVTAP, allmulticast: false };
  assert.equal(opsOf(macvtapOf({ flags }, record), record), [[CLAIM]]);
});

for (const [why, earlier, want] of [
  [
    'an ADD that ended before the record starts again, after its link and device node are gone',
    'unfinished',
    [[DELETE], [FREE], [ADD], [RECORD, QUIET, ALLMULTI, NO_IPV6], [UP], [CLAIM]],
  ],
  [
    'an ADD that ended after the record is completed',
    macvtapOf({ flags: 0 }, MACVTAP, { hasIpv6: true }),
    [[ALLMULTI, NO_IPV6], [UP], [CLAIM]],
  ],
  ['an ADD that ended before up is completed', macvtapOf({ flags: IFF_ALLMULTI }), [[UP], [CLAIM]]],
  [
    'IPv6 that another program has turned on is off again',
    macvtapOf({}, MACVTAP, { hasIpv6: true }),
    [[NO_IPV6], [CLAIM]],
  ],
  [
    'allmulticast that another program has turned off is on again',
    macvtapOf({ flags: IFF_UP }),
    [[ALLMULTI], [CLAIM]],
  ],
] as const) {
  test(why, () => assert.equal(opsOf(earlier), want));
}

test('promiscuous mode is completed as well', () => {
  const record = { ...MACVTAP, promisc: true };
  assert.equal(opsOf(macvtapOf({}, record), record), [[PROMISC], [CLAIM]]);
});

const undosOf = (...given: Parameters<typeof plan>): readonly Op[] =>
  plan(...given)
    .flat()
    .map(({ undo }) => undo)
    .reverse()
    .flat();

test('the undo of a new link deletes it, and then a device node that the kernel does not delete', () => {
  for (const earlier of ['none', 'unfinished'] as const)
    assert.equal(undosOf(earlier), [DELETE, { op: 'deleteDeviceNode', ifindex: VM_LAN }]);
});

test('the undo of a second ADD leaves the link of the first one', () => {
  assert.equal(undosOf(macvtapOf()), []);
  assert.equal(undosOf(macvtapOf({ flags: 0 })), [setLink('net1', { set: 'up', on: false })]);
});

test.run();
