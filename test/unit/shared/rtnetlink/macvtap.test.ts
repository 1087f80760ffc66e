import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { attribute, nested, text, u8, u32, type Words } from '../../../../shared/netlink/attribute.ts';
import { allLinks, decodeLink } from '../../../../shared/rtnetlink/link.ts';
import { linkChange } from '../../../../shared/rtnetlink/link-change.ts';
import {
  MACVTAP_MODES,
  macvtapAddition,
  macvtapModeOf,
  type NewMacvtap,
} from '../../../../shared/rtnetlink/macvtap.ts';

const test = suite('macvtaps by rtnetlink');

const hexOf = (words: Words): string => Buffer.from(Uint32Array.from(words).buffer).toString('hex');
const NEW: NewMacvtap = {
  ...{ ifname: 'net1', ifindex: 0x40000001, lower: 17, mode: 'bridge', mac: '02:00:00:00:0a:0b' },
  ...{ mtu: 9000, txqlen: 1000, queues: 2, promisc: false },
};
/** What `ip link add link L name net1 index … type macvtap mode bridge` sends, and the queues. */
const REQUEST = [
  '00000000010000400000000000000000', // ifinfomsg: index 0x40000001
  '090003006e65743100000000', // IFLA_IFNAME "net1"
  '0800050011000000', // IFLA_LINK 17
  '08001c0009000000', // IFLA_NET_NS_FD 9
  '0a0001000200000' + '00a0b0000', // IFLA_ADDRESS
  '0800040028230000', // IFLA_MTU 9000
  '08000d00e8030000', // IFLA_TXQLEN 1000
  '08001f0002000000', // IFLA_NUM_TX_QUEUES 2
  '0800200002000000', // IFLA_NUM_RX_QUEUES 2
  '1c001280', // IFLA_LINKINFO, nested
  '0c0001006d616376746170' + '00', // IFLA_INFO_KIND "macvtap"
  '0c000280', // IFLA_INFO_DATA, nested
  '0800010004000000', // IFLA_MACVLAN_MODE 4
].join('');

test('macvtapAddition() encodes all that a link needs in one request, which fails if it exists', () => {
  const { type, flags, body } = macvtapAddition(NEW, 9);
  assert.equal([type, flags], [16, 0x600]);
  assert.is(hexOf(body), REQUEST);
});

for (const [mode, promisc, want] of [
  ['private', false, '0800010001000000'],
  ['vepa', false, '0800010002000000'],
  ['bridge', true, '0800010004000000'],
  ['passthru', true, '0800010008000000'],
  ['passthru', false, '08000100080000000600020001000000'],
] as const) {
  test(`mode ${mode}${promisc ? ' with promiscuous mode' : ''}: only passthru would turn it on by itself`, () =>
    assert.ok(hexOf(macvtapAddition({ ...NEW, mode, promisc }, 9).body).endsWith(want)));
}

test('macvtapModeOf() names what the kernel shows', () => {
  assert.equal([1, 2, 4, 8].map(macvtapModeOf), MACVTAP_MODES);
  for (const number of [undefined, 0, 3, 16]) assert.is(macvtapModeOf(number), undefined);
});

test('linkChange() encodes a MAC', () =>
  assert.is(
    hexOf(linkChange(3, { set: 'address', mac: '02:00:00:00:0a:0b' }).body),
    `00000000030000000000000000000000${'0a00010002000000' + '0a0b0000'}`,
  ));

/** The 27th word of struct ipv6_devconf as the kernel lists it is disable_ipv6. */
function linkWith(inet6: Words | null, kind = 'macvtap') {
  const words = [
    ...[0, 0x40000001, 0, 0],
    ...text(3, 'net1'),
    ...nested(18, text(1, kind), nested(2, u32(1, 4))),
    ...(inet6 === null ? [] : nested(26, nested(10, inet6))),
  ];
  return decodeLink({ body: Buffer.from(Uint32Array.from(words).buffer) });
}
const conf = (disabled: number, length = 60): Words => {
  const values = new Uint32Array(length).fill(7);
  if (length > 26) values[26] = disabled;
  return attribute(2, new Uint8Array(values.buffer));
};

for (const [why, inet6, hasIpv6] of [
  ['IPv6 on', conf(0), true],
  ['IPv6 off', conf(1), false],
  ['no IPv6 at all', null, false],
  ['IPv6 of a kernel that lists too little', conf(0, 26), false],
  ['IPv6 without its settings', u8(8, 1), false],
] as const) {
  test(`decodeLink() reads a macvtap with ${why}`, () => {
    const { macvtap, ifindex, kind } = linkWith(inet6);
    assert.equal([macvtap?.mode, macvtap?.hasIpv6, ifindex, kind], [4, hasIpv6, 0x40000001, 'macvtap']);
  });
}

test('decodeLink() reads nothing of a macvtap from a macvlan', () =>
  assert.is(linkWith(conf(0), 'macvlan').macvtap, null));

test('the query for all links omits the statistics, not the settings of IPv6', () =>
  assert.is(hexOf(allLinks.request.body).slice(32), '08001d0008000000'));

test.run();
