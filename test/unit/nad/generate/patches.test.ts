import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gatePatch, hyperConvergedPatch, kubevirtPatch } from '../../../../nad/generate/patches.ts';
import type { Registration } from '../../../../nad/generate/registration.ts';
import type { Manifest } from '../../../../nad/generate/yaml.ts';

const test = suite('kubevirtPatch() and its kind');

const TAP: Registration = {
  kind: 'tap',
  form: 'binding',
  minor: 9,
  isForOneVersion: false,
  nadNamespace: 'default',
  image: null,
  migration: null,
};

type Value = { [key: string]: unknown };
const isObject = (value: unknown): value is Value =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** RFC 7396. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Value = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) merged[key] = mergePatch(merged[key], value);
  return merged;
}

const OURS = { networkAttachmentDefinition: 'default/tapwire-tap', domainAttachmentType: 'tap' };
const OTHERS = { l2bridge: { domainAttachmentType: 'managedTap', migration: {} } };

test('keeps all other settings of a KubeVirt CR', () => {
  const cr = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'KubeVirt',
    metadata: { name: 'kubevirt', namespace: 'kubevirt' },
    spec: {
      imagePullPolicy: 'IfNotPresent',
      configuration: {
        developerConfiguration: { featureGates: ['Root'] },
        network: { defaultNetworkInterface: 'masquerade', binding: OTHERS },
      },
    },
  };
  const want = structuredClone(cr);
  Object.assign(want.spec.configuration.network.binding, { tapwire: OURS });
  assert.equal(mergePatch(cr, kubevirtPatch(TAP).documents[0]), want);
});

test('creates missing maps in a KubeVirt CR', () => {
  const patched = mergePatch({ spec: {} }, kubevirtPatch(TAP).documents[0]);
  assert.equal((patched as Value)['spec'], { configuration: { network: { binding: { tapwire: OURS } } } });
});

test('keeps all other settings of a HyperConverged CR', () => {
  const cr = { spec: { featureGates: {}, networkBinding: OTHERS } };
  const patched = mergePatch(cr, hyperConvergedPatch(TAP).documents[0]) as typeof cr;
  assert.equal(patched.spec, { featureGates: {}, networkBinding: { ...OTHERS, tapwire: OURS } });
});

test('adds a feature gate, and replaces none', () => {
  assert.equal(gatePatch().documents, [
    [
      {
        op: 'add',
        path: '/spec/configuration/developerConfiguration/featureGates/-',
        value: 'NetworkBindingPlugins',
      },
    ],
  ]);
});

test('only the KubeVirt patch mentions the feature gate', () => {
  const says = ({ about }: Manifest) => about.join().includes('nad/feature-gate.yaml');
  assert.equal([kubevirtPatch(TAP), hyperConvergedPatch(TAP)].map(says), [true, false]);
});

test('patches have no name, so that kubectl apply rejects them', () => {
  for (const { documents } of [kubevirtPatch(TAP), hyperConvergedPatch(TAP)]) {
    assert.not.ok('metadata' in (documents[0] as object));
  }
});

const says = (order: Partial<Registration>, words: string) =>
  kubevirtPatch({ ...TAP, ...order })
    .about.join('\n')
    .includes(words);

for (const [words, order, other] of [
  ['cannot migrate live', {}, { migration: {} }],
  ['Replace IMAGE', { kind: 'slirp' }, { kind: 'slirp', image: 'i' }],
  ['Replace IMAGE', { kind: 'tap-pod-ip' }, { kind: 'tap' }],
  ["The sidecar gives the guest the pod's addresses", { kind: 'tap-pod-ip' }, { kind: 'tap' }],
  ['After a live migration, KubeVirt sets', { kind: 'tap-pod-ip' }, { kind: 'tap-pod-ip', migration: {} }],
  ['cannot migrate live before KubeVirt 1.2', { kind: 'tap-pod-ip', minor: 1 }, { kind: 'tap-pod-ip' }],
  ["The VM's network names the NAD", { form: 'network' }, {}],
  ['prefer "passtBinding: {}"', { kind: 'passt' }, {}],
] as const) {
  test(`says ${JSON.stringify(words)} only if it applies`, () => {
    assert.ok(says(order, words), 'applies');
    assert.not.ok(says(other, words), 'does not apply');
  });
}

test.run();
