import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, nad } from '../../../helpers/check.ts';

const test = suite('tapwire check: NetworkAttachmentDefinitions');

const SUBJECT = 'NetworkAttachmentDefinition "default/n"';
const chain = (...plugins: readonly object[]) => JSON.stringify({ cniVersion: '1.0.0', name: 'n', plugins });
const MACVLAN = { type: 'macvlan', master: 'bond0' };
const OURS = { type: 'tapwire' };

for (const [why, config] of [
  ['the least there is', {}],
  ['every key of a tap', { mtu: 1400, owner: 'none', group: 0, multiQueue: true, podLink: 'eth0' }],
  ['passt', { binding: 'passt', group: 'none' }],
  ['a chain', chain(MACVLAN, { type: 'tuning', mac: '02:00:00:00:00:01' }, OURS)],
  ['"tuning" of sysctls behind us', chain(MACVLAN, OURS, { type: 'tuning', sysctl: {} })],
  ["others' configuration, right or wrong", chain(MACVLAN, { type: 'bandwidth', mtu: 'x' })],
  ["no name in it: Multus takes the NAD's", '{"cniVersion": "1.0.0", "type": "tapwire"}'],
  ['a configuration of its own on the node', ''],
] as const) {
  test(`takes ${why}`, () => assert.equal(findingsOf(nad('n', config)), []));
}

for (const [why, config, finding] of [
  [
    'a value that our decoder refuses',
    { mtu: 70000 },
    `error: ${SUBJECT}: Cannot read $.mtu: want an integer in 68..65535, got 70000`,
  ],
  [
    'the same in a chain',
    chain(MACVLAN, { ...OURS, mtu: 60 }),
    `error: ${SUBJECT}: Cannot read $.plugins[1].mtu: want an integer in 68..65535, got 60`,
  ],
  [
    'a binding that there is not',
    { binding: 'bridge' },
    `error: ${SUBJECT}: Cannot read $.binding: want "tap" or "passt", got "bridge"`,
  ],
  [
    'a key that nobody reads',
    { mut: 1400 },
    `warning: ${SUBJECT}: $.mut is a key that nobody reads; is it misspelt?`,
  ],
  [
    'a network name written by hand',
    { args: { cni: { logicNetworkName: 'red' } } },
    `error: ${SUBJECT}: $.args.cni.logicNetworkName is what KubeVirt tells the plugin for each interface; written here it wires the wrong one, so leave it out`,
  ],
  [
    'our plugin before the one that makes the link',
    chain(OURS, MACVLAN),
    `error: ${SUBJECT}: $.plugins[0] comes before the plugin that makes the link that it is to wire; put it behind that one`,
  ],
  [
    'our plugin twice',
    chain(MACVLAN, OURS, OURS),
    `error: ${SUBJECT}: type "tapwire" is in its chain twice; leave one of them out`,
  ],
  [
    'a MAC address that is changed too late',
    chain(MACVLAN, OURS, { type: 'tuning', mac: '02:00:00:00:00:01' }),
    `warning: ${SUBJECT}: "tuning" behind $.plugins[1] changes a MAC address or MTU that the guest then does not have; put it before`,
  ],
] as const) {
  test(`finds ${why}`, () => assert.equal(findingsOf(nad('n', config)), [`5 ${finding}`]));
}

test('finds what is no JSON', () => {
  const [finding = '', ...others] = findingsOf(nad('n', '{"type": "tapwire",}'));
  assert.equal(others, []);
  assert.ok(
    finding.startsWith(`5 error: ${SUBJECT}: its configuration is no JSON, so no pod can use it: `),
    finding,
  );
});

test("a file of a node's default network", () => {
  const conf = { cniVersion: '1.0.0', name: 'k8s-pod-network' };
  const finding =
    '1 error: type "tapwire" in the configuration of a node\'s default network would take the network of every pod; ' +
    "take it out, and name a NetworkAttachmentDefinition in the KubeVirt CR's network.binding instead";
  const bridge = { type: 'bridge', bridge: 'cni0' };
  for (const bad of [
    { ...conf, ...OURS },
    { ...conf, plugins: [bridge, OURS] },
    { ...conf, type: 'multus', delegates: [{ ...conf, plugins: [bridge, OURS] }] },
  ]) {
    assert.equal(findingsOf(JSON.stringify(bad)), [finding]);
  }
  assert.equal(findingsOf(JSON.stringify({ ...conf, plugins: [bridge, { type: 'portmap' }] })), []);
});

test.run();
