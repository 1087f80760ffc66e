import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, nad } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: NetworkAttachmentDefinitions');

const SUBJECT = 'NetworkAttachmentDefinition "default/n"';
const chain = (...plugins: readonly object[]) => JSON.stringify({ cniVersion: '1.0.0', name: 'n', plugins });
const MACVLAN = { type: 'macvlan', master: 'bond0' };
const OURS = { type: 'tapwire' };

for (const [why, config] of [
  ['only the required keys', {}],
  ['every key of a tap', { mtu: 1400, owner: 'none', group: 0, multiQueue: true, podLink: 'eth0' }],
  ['guest services and a guard', { guestAddresses: 'pod', spoofGuard: 'addresses' }],
  ['a guard of MACs alone', { spoofGuard: 'mac' }],
  ['passt', { binding: 'passt', group: 'none' }],
  ['a chain', chain(MACVLAN, { type: 'tuning', mac: '02:00:00:00:00:01' }, OURS)],
  ['"tuning" of sysctls after Tapwire', chain(MACVLAN, OURS, { type: 'tuning', sysctl: {} })],
  ["another plugin's configuration, right or wrong", chain(MACVLAN, { type: 'bandwidth', mtu: 'x' })],
  ["no name: Multus uses the NAD's", '{"cniVersion": "1.0.0", "type": "tapwire"}'],
  ['a configuration of its own on the node', ''],
] as const) {
  test(`accepts ${why}`, () => assert.equal(findingsOf(nad('n', config)), []));
}

for (const [why, config, finding] of [
  [
    'a value that the decoder rejects',
    { mtu: 70000 },
    `error: ${SUBJECT}: Cannot read $.mtu: want an integer in 68..65535, got 70000`,
  ],
  [
    'the same in a chain',
    chain(MACVLAN, { ...OURS, mtu: 60 }),
    `error: ${SUBJECT}: Cannot read $.plugins[1].mtu: want an integer in 68..65535, got 60`,
  ],
  [
    'an unknown binding',
    { binding: 'bridge' },
    `error: ${SUBJECT}: Cannot read $.binding: want "tap" or "macvtap" or "passt", got "bridge"`,
  ],
  [
    'an unknown value of guestAddresses',
    { guestAddresses: 'dhcp' },
    `error: ${SUBJECT}: Cannot read $.guestAddresses: want "network" or "pod", got "dhcp"`,
  ],
  [
    'an unknown value of spoofGuard, in a chain',
    chain(MACVLAN, { ...OURS, spoofGuard: true }),
    `error: ${SUBJECT}: Cannot read $.plugins[1].spoofGuard: want "off" or "mac" or "addresses", got true`,
  ],
  [
    'a guard of addresses that Tapwire does not know',
    { spoofGuard: 'addresses' },
    `error: ${SUBJECT}: Cannot read $.spoofGuard: want "mac", or "guestAddresses": "pod" with it, because Tapwire does not know which addresses the network gives the guest, got "addresses"`,
  ],
  [
    'a guard with passt',
    { binding: 'passt', spoofGuard: 'mac' },
    `error: ${SUBJECT}: Cannot read $.spoofGuard: want no such key with binding "passt", which creates no tap and changes no link, got "mac"`,
  ],
  [
    'guest services with passt',
    { binding: 'passt', guestAddresses: 'pod' },
    `error: ${SUBJECT}: Cannot read $.guestAddresses: want no such key with binding "passt", which creates no tap and changes no link, got "pod"`,
  ],
  ['an unknown key', { mut: 1400 }, `warning: ${SUBJECT}: $.mut is an unknown key; check the spelling`],
  [
    'a network name written by hand',
    { args: { cni: { logicNetworkName: 'red' } } },
    `error: ${SUBJECT}: $.args.cni.logicNetworkName is set by KubeVirt for each interface; set here, it makes Tapwire wire the wrong link, so remove it`,
  ],
  [
    'Tapwire before the plugin that creates the link',
    chain(OURS, MACVLAN),
    `error: ${SUBJECT}: $.plugins[0] comes before the plugin that creates the link to wire; put it after that plugin`,
  ],
  [
    'Tapwire twice',
    chain(MACVLAN, OURS, OURS),
    `error: ${SUBJECT}: type "tapwire" is in its chain twice; remove one of them`,
  ],
  [
    'a MAC address that is changed too late',
    chain(MACVLAN, OURS, { type: 'tuning', mac: '02:00:00:00:00:01' }),
    `warning: ${SUBJECT}: "tuning" after $.plugins[1] changes a MAC address or MTU, but the guest keeps the old one; put "tuning" before it`,
  ],
] as const) {
  test(`finds ${why}`, () => assert.equal(findingsOf(nad('n', config)), [`5 ${finding}`]));
}

const NOT_JSON = `5 error: ${SUBJECT}: its configuration is not JSON, so no pod can use it: `;
for (const [why, config, advice] of [
  ['a comma too many', '{"type": "tapwire",}', 'remove the comma before the closing bracket'],
  [
    'a comma too many in a list',
    '{"plugins": [{"type": "tapwire"},\n]}',
    'remove the comma before the closing bracket',
  ],
  ['typographic quotes', '{“type”: “tapwire”}', 'replace the typographic quotes by "'],
  [
    'a comment at the end of a line',
    '{"cniVersion": "1.0.0", // x\n"type": "tapwire"}',
    'remove the comments',
  ],
  ['a comment on a line of its own', '{\n  # x\n"type": "tapwire"}', 'remove the comments'],
  ['YAML', 'cniVersion: 1.0.0\ntype: tapwire\n', 'write JSON, not YAML'],
  ['single quotes', "{'type': 'tapwire'}", 'write " instead of \''],
] as const) {
  test(`finds ${why} instead of JSON`, () => {
    const [finding = '', ...others] = findingsOf(nad('n', config));
    assert.equal(others, []);
    assert.ok(finding.startsWith(NOT_JSON) && finding.endsWith(`; ${advice}`), finding);
  });
}

test('reports other text that is not JSON', () => {
  const [finding = '', ...others] = findingsOf(nad('n', '{"type": "tapwire"'));
  assert.equal(others, []);
  assert.ok(finding.startsWith(NOT_JSON), finding);
});

const NO_POD = 'so no pod can use it';
for (const [why, config, finding] of [
  ['a number', '5', `its configuration is not a JSON object but 5, ${NO_POD}`],
  ['null', 'null', `its configuration is not a JSON object but null, ${NO_POD}`],
  ['no type', '{"cniVersion": "1.0.0"}', `$ has neither "type" nor "plugins", ${NO_POD}`],
  [
    'a misspelt type',
    '{"typ": "tapwire"}',
    `$ has neither "type" nor "plugins", ${NO_POD}; "typ" is not the same as "type"`,
  ],
  [
    'plugins in capitals',
    '{"Plugins": [{"type": "tapwire"}]}',
    `$ has neither "type" nor "plugins", ${NO_POD}; "Plugins" is not the same as "plugins"`,
  ],
  ['a type that is a list', '{"type": ["tapwire"]}', `$.type is not a string but ["tapwire"], ${NO_POD}`],
  [
    'plugins that are an object',
    '{"plugins": {"type": "tapwire"}}',
    `$.plugins is not a list but {"type":"tapwire"}, ${NO_POD}`,
  ],
  ['plugins that are null', '{"plugins": null}', `$.plugins is not a list but null, ${NO_POD}`],
  ['no plugins', '{"plugins": []}', `$.plugins is empty, ${NO_POD}; name a plugin in it`],
  [
    'a plugin that is text',
    chain('macvlan' as never),
    `$.plugins[0] is not an object but "macvlan", ${NO_POD}`,
  ],
  ['a plugin without a type', chain(MACVLAN, { mtu: 1500 }), `$.plugins[1] has no "type", ${NO_POD}`],
  [
    'a plugin with an empty type',
    chain({ type: '' }, OURS),
    `$.plugins[0] has no "type", ${NO_POD}; "type" is not the same as "type"`,
  ],
  [
    'a type with a colon',
    chain({ 'type:': 'bridge' }, MACVLAN),
    `$.plugins[0] has no "type", ${NO_POD}; "type:" is not the same as "type"`,
  ],
] as const) {
  test(`finds ${why}, in any NAD`, () => {
    assert.equal(findingsOf(nad('n', config)), [`5 error: ${SUBJECT}: ${finding}`]);
  });
}

for (const [type, severity] of [
  ...['tapwier', 'tapwir', 'tappwire', 'tap-wire', 'tapwires', 'tapwire-tap', '/opt/cni/bin/tapwire'].map(
    (type) => [type, 'warning'] as const,
  ),
  ...['Tapwire', 'TAPWIRE', 'tapwire ', '\ttapwire'].map((type) => [type, 'error'] as const),
] as const) {
  test(`finds type ${JSON.stringify(type)}, which should be Tapwire's`, () => {
    const [, end] =
      severity === 'error' ? ['', '; want "tapwire"'] : ['', ', not "tapwire"; check the spelling'];
    const finding = (path: string) => [
      `5 ${severity}: ${SUBJECT}: ${path}.type is ${JSON.stringify(type)}${end}`,
    ];
    assert.equal(findingsOf(nad('n', { type })), finding('$'));
    assert.equal(findingsOf(nad('n', chain(MACVLAN, { type }))), finding('$.plugins[1]'));
  });
}

for (const type of ['tap', 'bridge', 'kubevirt-passt-binding', 'ovn-k8s-cni-overlay']) {
  test(`accepts type "${type}"`, () => assert.equal(findingsOf(nad('n', { type })), []));
}

const SUPPORTED = '["0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]';
const rejected = (version: string) =>
  `5 error: ${SUBJECT}: ADD rejects it: incompatible CNI versions: config is "${version}", plugin supports ${SUPPORTED}; write "cniVersion": "1.0.0"`;
for (const version of ['0.1.0', '0.2.0', '0.3.2', '1.0', 'v1.0.0', '1.2.0', '2.0.0', ' 1.0.0']) {
  test(`finds cniVersion "${version}", which ADD rejects`, () => {
    assert.equal(findingsOf(nad('n', { cniVersion: version })), [rejected(version)]);
    const list = { cniVersion: version, plugins: [MACVLAN, { ...OURS, cniVersion: '1.0.0' }] };
    assert.equal(
      findingsOf(nad('n', JSON.stringify(list))),
      [rejected(version)],
      "a list's goes before the plugin's",
    );
  });
}
for (const version of ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
  test(`accepts cniVersion "${version}"`, () => {
    assert.equal(findingsOf(nad('n', { cniVersion: version })), []);
    const list = { cniVersion: version, plugins: [MACVLAN, { ...OURS, cniVersion: '0.1.0' }] };
    assert.equal(findingsOf(nad('n', JSON.stringify(list))), []);
  });
}

for (const [why, config, findings] of [
  ['no version', '{"type": "tapwire"}', [rejected('0.1.0')]],
  [
    'a version only in the plugins',
    JSON.stringify({ plugins: [MACVLAN, { ...OURS, cniVersion: '1.0.0' }] }),
    [rejected('0.1.0')],
  ],
  [
    'a version that is a number',
    '{"cniVersion": 1.0, "type": "tapwire"}',
    [`5 error: ${SUBJECT}: ADD rejects it: Cannot read $.cniVersion: want a string, got 1`],
  ],
  [
    'several versions, one of them supported',
    JSON.stringify({ cniVersions: ['1.0.0', '9.0.0'], plugins: [MACVLAN, OURS] }),
    [],
  ],
  ['any version in foreign plugins', JSON.stringify({ cniVersion: '0.2.0', plugins: [MACVLAN] }), []],
  [
    "a type next to a list of Tapwire's",
    JSON.stringify({ cniVersion: '1.0.0', type: 'macvlan', plugins: [OURS] }),
    [`5 error: ${SUBJECT}: $.plugins is ignored, because $.type takes precedence; remove $.type`],
  ],
  [
    "a type next to a list of another plugin's",
    JSON.stringify({ cniVersion: '1.0.0', type: 'macvlan', plugins: [MACVLAN] }),
    [],
  ],
] as const) {
  test(`judges ${why} as libcni and Multus do`, () => assert.equal(findingsOf(nad('n', config)), findings));
}

for (const name of ['my lan', 'a/b', 'lan%1', 'länder', '-lan']) {
  test(`finds the network name "${name}", which ADD rejects`, () => {
    const finding = [
      `5 error: ${SUBJECT}: ADD rejects it: invalid characters found in network name: ${name}`,
    ];
    assert.equal(findingsOf(nad('n', { name })), finding);
    assert.equal(
      findingsOf(nad('n', JSON.stringify({ cniVersion: '1.0.0', name, plugins: [MACVLAN, OURS] }))),
      finding,
    );
    assert.equal(
      findingsOf(
        nad('n', JSON.stringify({ cniVersion: '1.0.0', name: 'n', plugins: [MACVLAN, { ...OURS, name }] })),
      ),
      [],
    );
  });
}

const withSpec = (spec: string, name = 'lan') =>
  `apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: ${name}}\n${spec}`;
const LAN = 'NetworkAttachmentDefinition "default/lan"';
for (const [why, text, findings] of [
  [
    'a configuration in YAML',
    withSpec('spec:\n  config:\n    type: tapwire\n'),
    [
      `4 error: ${LAN}: spec.config is not a string but {"type":"tapwire"}, and the API server rejects it; write its JSON as text, between single quotes or in a block ("config: |")`,
    ],
  ],
  [
    'config in capitals',
    withSpec('spec: {Config: "{}"}\n'),
    [`4 error: ${LAN}: spec.Config is an unknown key; want spec.config`],
  ],
  [
    'another key',
    withSpec('spec: {configuration: "{}"}\n'),
    [`4 error: ${LAN}: spec.configuration is an unknown key; want spec.config`],
  ],
  [
    'its keys without config',
    withSpec('spec: {cniVersion: 1.0.0, type: tapwire}\n'),
    [`4 error: ${LAN}: spec.cniVersion is an unknown key; want spec.config`],
  ],
  ['no spec, as a file of the node has it', withSpec(''), []],
  [
    'config one indent too far to the left',
    withSpec('config: "{type: tapwire}" # spec\n'),
    [
      `4 warning: ${LAN}: it has no spec.config, so Multus needs a file for network "lan" in /etc/cni/multus/net.d on every node; write spec.config`,
    ],
  ],
  ['an empty spec', withSpec('spec: {config: }\n'), []],
  [
    "no spec, and Tapwire's name",
    withSpec('', 'tapwire-tap'),
    [
      '3 warning: NetworkAttachmentDefinition "default/tapwire-tap": it has no spec.config, so Multus needs a file for network "tapwire-tap" in /etc/cni/multus/net.d on every node; write spec.config',
    ],
  ],
] as const) {
  test(`judges ${why}`, () =>
    assert.equal(
      findingsOf(text).map((finding) => finding.replace(/^\d+/, text.includes('spec') ? '4' : '3')),
      findings,
    ));
}

test("reports Tapwire in a file of a node's default network", () => {
  const conf = { cniVersion: '1.0.0', name: 'k8s-pod-network' };
  const finding =
    '1 error: type "tapwire" in the configuration of a node\'s default network would take the network of every pod; ' +
    "remove it, and name a NetworkAttachmentDefinition in the KubeVirt CR's network.binding instead";
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
