import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Place } from '../../../../../cni/bindings/macvtap/lower.ts';
import {
  findWarnings,
  requireIfname,
  requireLower,
  requireMtu,
  requireOurLink,
} from '../../../../../cni/bindings/macvtap/requirements.ts';
import type { Lower } from '../../../../../cni/kernel/lower-device.ts';
import { encodeRecord } from '../../../../../shared/record.ts';
import type { MacvtapMode } from '../../../../../shared/rtnetlink/macvtap.ts';
import { caught } from '../../../../helpers/caught.ts';
import {
  ETH0,
  KEY,
  LO,
  linkOf,
  MACVTAP,
  macvtapConf,
  macvtapOf,
  OTHER,
  tapOf,
  VM_LAN,
} from '../../../../helpers/pod/seen.ts';

const test = suite('the requirements of macvtap');

const placeIn = (mode: MacvtapMode = 'bridge'): Place => ({
  entry: { lowerDevice: 'uplink0', mode, promisc: false, allmulticast: true },
  path: '$.macvtap.resources[0]',
  ifindex: VM_LAN,
});
const UPLINK = linkOf(2, 'uplink0', { kind: null });
const lowerOf = (changes: Partial<Lower> = {}): Lower => ({ link: UPLINK, use: null, ...changes });
const rejection = async (act: () => unknown) => {
  const { code, message } = await caught(act);
  return [code, message];
};
const ON = 'Cannot add macvtap "net1" on "uplink0": ';

for (const name of ['net1', 'pod1a2b3c4d5e6', 'eth0.100', 'a=b', '.x']) {
  test(`the link may be called ${name}`, () => requireIfname(name));
}

for (const name of ['net%d', '%', 'all', 'default', 'lo', 'nété', 'a\u200bb', '']) {
  test(`the link cannot be called ${JSON.stringify(name)}`, async () =>
    assert.equal(await rejection(() => requireIfname(name)), [
      'INVALID_ENVIRONMENT',
      `Cannot add macvtap ${JSON.stringify(name)}: want a name of printable ASCII characters without "%", not all, default or lo; KubeVirt names it pod and a hash`,
    ]));
}

test('every kind of Ethernet link can be the lower device', () => {
  for (const kind of [null, 'bond', 'vlan', 'veth', 'macvlan', 'team']) {
    const link = { ...UPLINK, kind };
    assert.is(requireLower('net1', placeIn(), lowerOf({ link })), link);
    assert.is(requireLower('net1', placeIn('passthru'), lowerOf({ link })), link);
  }
});

test('the node may use the device itself, except in mode "passthru"', async () => {
  const lower = lowerOf({ use: 'the default route leads through it' });
  for (const mode of ['bridge', 'private', 'vepa'] as const) requireLower('net1', placeIn(mode), lower);
  assert.equal(await rejection(() => requireLower('net1', placeIn('passthru'), lower)), [
    'NOT_ALLOWED',
    `${ON}in mode "passthru" a VM takes all of the device, but the default route leads through it; use mode "bridge", or another device`,
  ]);
});

for (const [lower, code, message] of [
  [
    null,
    'LINK_MISSING',
    'this node has no such link; $.macvtap.resources[0].lowerDevice of the node policy file names it',
  ],
  [
    lowerOf({ link: { ...UPLINK, kind: 'wireguard', type: 65534 } }),
    'LINK_UNSUPPORTED',
    'it does not carry Ethernet frames (wireguard)',
  ],
  [
    lowerOf({ link: { ...UPLINK, type: 32 } }),
    'LINK_UNSUPPORTED',
    'it does not carry Ethernet frames (ARPHRD 32)',
  ],
] as const) {
  test(`rejects a lower device: ${message}`, async () =>
    assert.equal(await rejection(() => requireLower('net1', placeIn(), lower)), [code, `${ON}${message}`]));
}

test('the MTU is that of the lower device, or a smaller one', async () => {
  const jumbo = { ...UPLINK, mtu: 9000 };
  assert.is(requireMtu(macvtapConf(), jumbo), 9000);
  for (const mtu of [68, 1279, 1500, 9000]) assert.is(requireMtu(macvtapConf({ mtu }), jumbo), mtu);
  assert.equal(await rejection(() => requireMtu(macvtapConf({ mtu: 9001 }), jumbo)), [
    'INVALID_CONFIG',
    'Cannot read $.mtu: want at most 9000, the mtu of "uplink0", got 9001',
  ]);
});

const earlier = (...links: Parameters<typeof requireOurLink>[2]) =>
  requireOurLink(MACVTAP, VM_LAN, [LO, ETH0, ...links]);

test('a pod without the link needs all of it', () => assert.is(earlier(), 'none'));

test('the link of an earlier ADD is used as it is, up or not', () => {
  for (const link of [macvtapOf(), macvtapOf({ flags: 0 }, MACVTAP, { hasIpv6: true })])
    assert.is(earlier(link), link);
});

test('the record of a container whose id is too long for it is recognised', () => {
  const key = { ...KEY, containerId: 'x'.repeat(200) };
  const wanted = { ...MACVTAP, key };
  const link = macvtapOf({ ifalias: encodeRecord(wanted) });
  assert.is(requireOurLink(wanted, VM_LAN, [link]), link);
});

test('the link of an ADD that ended before the record is unfinished, whatever its index', () => {
  for (const ifalias of [null, '']) assert.is(earlier(macvtapOf({ ifalias, flags: 0 })), 'unfinished');
  assert.is(earlier(macvtapOf({ ifalias: null, ifindex: VM_LAN + 5 })), 'unfinished');
});

const TAKEN = 'Cannot add macvtap "net1": that name is taken by ';
const DIFFERS = (what: string) =>
  `Cannot add macvtap "net1": it exists with another ${what}; DEL it first, a VM may be using it`;
const INDEX = `Cannot add macvtap "net1": its interface index ${VM_LAN} is that of `;
for (const [why, link, message] of [
  [
    "another program's macvtap",
    macvtapOf({ ifalias: null, ifindex: 7 }),
    `${TAKEN}a macvtap link that Tapwire did not make`,
  ],
  ['a veth', linkOf(7, 'net1'), `${TAKEN}a veth link that Tapwire did not make`],
  [
    'a veth with our alias',
    linkOf(7, 'net1', { ifalias: encodeRecord(MACVTAP) }),
    `${TAKEN}a veth link that Tapwire did not make`,
  ],
  [
    'the macvtap of another container',
    macvtapOf({}, { ...MACVTAP, key: OTHER }),
    `${TAKEN}the Tapwire link of "net1" in container "pod2"`,
  ],
  [
    'the macvtap of another attachment, renamed',
    macvtapOf({ ifname: 'net1' }, { ...MACVTAP, key: { ...KEY, ifname: 'net2' } }),
    `${TAKEN}the Tapwire link of "net2" in container "pod1"`,
  ],
  [
    'a tap of this attachment',
    tapOf({ ifname: 'net1' }),
    `${TAKEN}the Tapwire link of "net1" in container "pod1"`,
  ],
  [
    'a macvtap with this index under another name',
    macvtapOf({ ifname: 'net2' }, { ...MACVTAP, key: { ...KEY, ifname: 'net2' } }),
    `${INDEX}"net2", the Tapwire link of "net2" in container "pod1"`,
  ],
  [
    "a process's own macvtap with this index",
    macvtapOf({ ifname: 'evil0', ifalias: null }),
    `${INDEX}"evil0", a macvtap link that Tapwire did not make`,
  ],
  ['another mode', macvtapOf({}, { ...MACVTAP, mode: 'vepa' }), DIFFERS('mode')],
  [
    'another MAC and MTU',
    macvtapOf({}, { ...MACVTAP, mac: '02:00:00:00:00:0b', mtu: 1400 }),
    DIFFERS('mac, mtu'),
  ],
  ['another lower device', macvtapOf({}, { ...MACVTAP, lowerDevice: 'uplink1' }), DIFFERS('lowerDevice')],
  ['another owner', macvtapOf({}, { ...MACVTAP, owner: 0, group: 0 }), DIFFERS('owner, group')],
  [
    'other settings',
    macvtapOf({}, { ...MACVTAP, allmulticast: false, promisc: true }),
    DIFFERS('allmulticast, promisc'),
  ],
  ['another index', macvtapOf({ ifindex: VM_LAN + 1 }), DIFFERS('ifindex')],
  [
    'a forged record without values',
    macvtapOf({ ifalias: 'tapwire/1 container=pod1 ifname=net1 binding=macvtap' }),
    DIFFERS('lowerDevice, mac, mtu, owner, group, allmulticast'),
  ],
] as const) {
  test(`rejects ${why} in the place of the link`, async () =>
    assert.equal(await rejection(() => earlier(link)), ['LINK_EXISTS', message]));
}

test('an administrator learns that the lower device passes no frames', () => {
  const device = macvtapConf({ deviceID: `vm-lan-${VM_LAN}` });
  const warn = (lower: Partial<typeof UPLINK>) =>
    findWarnings('net1', placeIn(), device, { ...UPLINK, ...lower });
  assert.equal(warn({}), []);
  assert.equal(warn({ flags: 0, hasCarrier: false }), [
    '"net1" is on "uplink0", which is down: no frame passes until it is up',
  ]);
  assert.equal(warn({ hasCarrier: false }), [
    '"net1" is on "uplink0", which is without carrier: no frame passes until it is up',
  ]);
});

test('an administrator learns that no VM can open a macvtap without a device plugin', () => {
  const place = { ...placeIn(), path: '$.macvtap.masters[0]' };
  assert.equal(findWarnings('net1', place, macvtapConf({ master: 'uplink0' }), UPLINK), [
    '"net1" has no device plugin ($.macvtap.masters[0]), so no VM of KubeVirt can open its device node; for VMs, offer "uplink0" in $.macvtap.resources',
  ]);
});

test.run();
