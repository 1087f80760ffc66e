import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, nad, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: MAC addresses on secondary networks');

const CAPABILITY = { capabilities: { mac: true } };
const list = (...plugins: readonly object[]): string =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'lan', plugins });

/** Findings for a VM whose second interface asks for a MAC on a network with these plugins. */
const findingsFor = (config: string, one: object = {}, multus: object = {}) =>
  findingsOf(
    nad('lan', config, 'vms') +
      vm({
        interfaces: [
          { name: 'default', masquerade: {} },
          { name: 'red', binding: { name: 'tapwire-secondary' }, macAddress: '02:00:00:00:00:10', ...one },
        ],
        networks: [
          { name: 'default', pod: {} },
          { name: 'red', multus: { networkName: 'lan', ...multus } },
        ],
      }),
  );

const ON_RED = 'VirtualMachine "vms/red": interface "red"';
const deprecated = (type: string) =>
  `13 advice: ${ON_RED}: "${type}" of network "lan" gets macAddress only in CNI_ARGS, a way that CNI has deprecated; ` +
  'add "capabilities": {"mac": true} to this plugin';
const ignored = (type: string, remedy: string) =>
  `13 warning: ${ON_RED}: "${type}" of network "lan" ignores macAddress, so its link has another MAC and may drop the frames ` +
  `to the guest; remove macAddress, or ${remedy}`;
const rejected = (type: string, remedy: string) =>
  `13 error: ${ON_RED}: "${type}" of network "lan" ignores macAddress, so Tapwire rejects its link and the pod does not start; ` +
  `remove macAddress, or ${remedy}`;
const TUNING = 'put "tuning" after it';

for (const type of ['macvlan', 'sriov']) {
  test(`advises the capability for ${type}, which gets the MAC without it as well`, () => {
    assert.equal(findingsFor(list({ type })), [deprecated(type)]);
    assert.equal(findingsFor(list({ type, capabilities: { mac: false } })), [deprecated(type)]);
    assert.equal(findingsFor(list({ type, ...CAPABILITY })), []);
    assert.equal(findingsFor(list({ type }, { type: 'tuning', ...CAPABILITY })), []);
  });
}

for (const [type, remedy] of [
  ['vlan', `${TUNING}, or use "macvlan" on the VLAN link`],
  ['ipvlan', 'use "macvlan"'],
  ['host-device', TUNING],
] as const) {
  test(`warns of a MAC that ${type} ignores, with or without the capability`, () => {
    assert.equal(findingsFor(list({ type })), [ignored(type, remedy)]);
    assert.equal(findingsFor(list({ type, ...CAPABILITY })), [ignored(type, remedy)]);
  });
}

for (const type of ['vlan', 'host-device', 'ptp', 'dummy']) {
  test(`accepts a MAC that "tuning" sets after ${type}`, () => {
    assert.equal(findingsFor(list({ type }, { type: 'tuning', ...CAPABILITY })), []);
  });
}

test('warns of ipvlan before "tuning", which cannot change its MAC', () => {
  const chain = list({ type: 'ipvlan' }, { type: 'tuning', ...CAPABILITY });
  assert.equal(findingsFor(chain), [ignored('ipvlan', 'use "macvlan"')]);
});

test('rejects an ignored MAC in a chain with Tapwire, which ADD rejects', () => {
  const own = { binding: { name: 'lan-tap' } };
  assert.equal(findingsFor(list({ type: 'ptp' }, { type: 'tapwire' }), own), [rejected('ptp', TUNING)]);
  const late = list({ type: 'host-device' }, { type: 'tapwire' }, { type: 'tuning', ...CAPABILITY });
  assert.equal(findingsFor(late, own), [rejected('host-device', TUNING)]);
  assert.equal(findingsFor(list({ type: 'macvlan', ...CAPABILITY }, { type: 'tapwire' }), own), []);
});

for (const [type, cost] of [
  ['macvlan', 'a new MAC and a new DHCP lease at every restart, and no frames after a live migration'],
  ['bridge', 'a new MAC and a new DHCP lease at every restart'],
] as const) {
  test(`advises a MAC on a network of ${type}, whose links get random ones`, () => {
    const finding = `13 advice: ${ON_RED}: without macAddress, the guest has ${cost}; set macAddress, unless kubemacpool does`;
    const config = list({ type, ...CAPABILITY });
    assert.equal(findingsFor(config, { macAddress: '' }), [finding]);
    assert.equal(findingsFor(config, { macAddress: undefined }), [finding]);
    assert.equal(findingsFor(config, { macAddress: null }), [finding]);
    assert.equal(findingsFor(config, { macAddress: '', binding: { name: 'other' } }), []);
    assert.equal(findingsFor(config, { macAddress: '' }, { networkName: 'default/wan' }), []);
  });
}

for (const [why, config, one, multus] of [
  ['veth links, which pass frames to every MAC', list({ type: 'ptp' }), {}, {}],
  ['a bridge', list({ type: 'bridge' }), {}, {}],
  ['plugins that it does not know', list({ type: 'ovs' }), {}, {}],
  ['an interface without a MAC', list({ type: 'vlan' }), { macAddress: '' }, {}],
  ['an interface of another binding', list({ type: 'vlan' }), { binding: { name: 'other' } }, {}],
  ['a network that is not in the input', list({ type: 'vlan' }), {}, { networkName: 'default/wan' }],
] as const) {
  test(`accepts ${why}`, () => {
    assert.equal(
      findingsFor(config, one, multus).filter((line) => /macAddress/.test(line)),
      [],
    );
  });
}

test.run();
