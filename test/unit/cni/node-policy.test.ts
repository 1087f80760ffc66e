import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeNetConf } from '../../../cni/config.ts';
import { checkPolicy, DEFAULT_POLICY, decodeNodePolicy } from '../../../cni/node-policy.ts';
import { caught } from '../../helpers/caught.ts';

const test = suite('the node policy');

const CONF = decodeNetConf({ cniVersion: '1.0.0', name: 'x' });

for (const [file, want] of [
  [{}, DEFAULT_POLICY],
  [{ tap: null }, DEFAULT_POLICY],
  [{ tap: {} }, DEFAULT_POLICY],
  [{ tap: { namespaces: [] } }, { tap: { namespaces: [], defaultNetwork: false } }],
  [
    { tap: { namespaces: ['vms'], defaultNetwork: true } },
    { tap: { namespaces: ['vms'], defaultNetwork: true } },
  ],
] as const) {
  test(`decodeNodePolicy() reads ${JSON.stringify(file)}`, () => {
    assert.equal(decodeNodePolicy(file, '$'), want);
  });
}

for (const [file, message] of [
  [[], 'Cannot read $: want an object, got []'],
  [{ Tap: {} }, 'Cannot read $: want only the keys tap, got "Tap"'],
  [
    { tap: { namespace: ['vms'] } },
    'Cannot read $.tap: want only the keys namespaces, defaultNetwork, got "namespace"',
  ],
  [{ tap: { namespaces: 'vms' } }, 'Cannot read $.tap.namespaces: want an array, got "vms"'],
  [{ tap: { defaultNetwork: 'yes' } }, 'Cannot read $.tap.defaultNetwork: want true or false, got "yes"'],
] as const) {
  test(`decodeNodePolicy() refuses ${JSON.stringify(file)}`, async () => {
    assert.is((await caught(() => decodeNodePolicy(file, '$'))).message, message);
  });
}

test('checkPolicy() lets every pod through where there is no list', () => {
  checkPolicy(CONF, 'vms', DEFAULT_POLICY);
  checkPolicy(CONF, null, DEFAULT_POLICY);
});

const LISTED = decodeNodePolicy({ tap: { namespaces: ['vms'] } }, '$');
const END = '$.tap.namespaces of /etc/tapwire/node.json on this node does not list it';
for (const [namespace, message] of [
  ['other', `Cannot wire pods of namespace "other": ${END}`],
  [null, `Cannot wire a pod of no namespace: ${END}`],
] as const) {
  test(`checkPolicy() refuses ${namespace} where it is not listed`, async () => {
    checkPolicy(CONF, 'vms', LISTED);
    const error = await caught(() => checkPolicy(CONF, namespace, LISTED));
    assert.equal([error.code, error.message], ['NOT_ALLOWED', message]);
  });
}

test.run();
