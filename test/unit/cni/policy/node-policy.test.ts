import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_POLICY, decodeNodePolicy, requireAllowed } from '../../../../cni/policy/node-policy.ts';
import { caught } from '../../../helpers/caught.ts';
import { KEY, macvtapConf, passtConf, tapConf } from '../../../helpers/pod/seen.ts';

const test = suite('the node policy');

for (const [file, want] of [
  [{}, DEFAULT_POLICY],
  [{ tap: null }, DEFAULT_POLICY],
  [{ tap: {} }, DEFAULT_POLICY],
  [{ passt: null }, DEFAULT_POLICY],
  [{ macvtap: null }, DEFAULT_POLICY],
  [{ macvtap: {} }, DEFAULT_POLICY],
  [{ tap: { namespaces: [] } }, { ...DEFAULT_POLICY, tap: { namespaces: [], defaultNetwork: false } }],
  [
    { tap: { namespaces: ['vms'], defaultNetwork: true } },
    { ...DEFAULT_POLICY, tap: { namespaces: ['vms'], defaultNetwork: true } },
  ],
  [
    { passt: { namespaces: ['vms'], defaultNetwork: true } },
    { ...DEFAULT_POLICY, passt: { namespaces: ['vms'], defaultNetwork: true } },
  ],
] as const) {
  test(`decodeNodePolicy() reads ${JSON.stringify(file)}`, () => {
    assert.equal(decodeNodePolicy(file, '$'), want);
  });
}

for (const [file, message] of [
  [[], 'Cannot read $: want an object, got []'],
  [{ Tap: {} }, 'Cannot read $: want only the keys tap, macvtap, passt, got "Tap"'],
  [
    { tap: { namespace: ['vms'] } },
    'Cannot read $.tap: want only the keys namespaces, defaultNetwork, got "namespace"',
  ],
  [{ tap: { namespaces: 'vms' } }, 'Cannot read $.tap.namespaces: want an array, got "vms"'],
  [{ tap: { defaultNetwork: 'yes' } }, 'Cannot read $.tap.defaultNetwork: want true or false, got "yes"'],
] as const) {
  test(`decodeNodePolicy() rejects ${JSON.stringify(file)}`, async () => {
    assert.is((await caught(() => decodeNodePolicy(file, '$'))).message, message);
  });
}

test('requireAllowed() lets every pod through where there is no list', () => {
  for (const conf of [tapConf(), macvtapConf(), passtConf()]) {
    requireAllowed(conf, KEY, 'vms', DEFAULT_POLICY);
    requireAllowed(conf, KEY, null, DEFAULT_POLICY);
  }
});

for (const conf of [tapConf(), macvtapConf(), passtConf()]) {
  const { binding } = conf;
  const listed = decodeNodePolicy({ [binding]: { namespaces: ['vms'] } }, '$');
  const end = `$.${binding}.namespaces of /etc/tapwire/node.json on this node does not list it`;
  for (const [namespace, message] of [
    ['other', `Cannot wire pods of namespace "other": ${end}`],
    [null, `Cannot wire a pod of no namespace: ${end}`],
  ] as const) {
    test(`requireAllowed() of ${binding} refuses ${namespace} where it is not listed`, async () => {
      requireAllowed(conf, KEY, 'vms', listed);
      const error = await caught(() => requireAllowed(conf, KEY, namespace, listed));
      assert.equal([error.code, error.message], ['NOT_ALLOWED', message]);
    });
  }
}

test("requireAllowed() goes by the binding's own list", () =>
  requireAllowed(passtConf(), KEY, 'other', decodeNodePolicy({ tap: { namespaces: ['vms'] } }, '$')));

const ETH0 = { ...KEY, ifname: 'eth0' };
const TAKES_ETH0 = 'it would take eth0 away from every pod on this network';
const BINDINGS = { args: { cni: { logicNetworkName: 'default' } } };
const IN_CR = "name this NetworkAttachmentDefinition in the KubeVirt CR's network.binding";
const IN_VM = 'let a VM name this NetworkAttachmentDefinition as a secondary network';
for (const [why, conf, harm, remedy] of [
  ['of tap', tapConf(), TAKES_ETH0, IN_CR],
  ["of tap, by a NAD that claims to be a binding's", tapConf(BINDINGS), TAKES_ETH0, IN_CR],
  ['of macvtap', macvtapConf(), 'every pod of this network would need a device', IN_VM],
  ['of passt', passtConf(), 'every program in the pods of this network could bind privileged ports', IN_CR],
] as const) {
  test(`requireAllowed() refuses a pod's eth0 as a network unless the node file allows it: ${why}`, async () => {
    const error = await caught(() => requireAllowed(conf, ETH0, 'vms', DEFAULT_POLICY));
    assert.equal(
      [error.code, error.message],
      [
        'NOT_ALLOWED',
        `Cannot wire "eth0" as a network: ${harm}; ${remedy}, or set $.${conf.binding}.defaultNetwork in /etc/tapwire/node.json on the node`,
      ],
    );
    requireAllowed(conf, ETH0, 'vms', decodeNodePolicy({ [conf.binding]: { defaultNetwork: true } }, '$'));
  });
}

test.run();
