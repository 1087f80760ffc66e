import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, kubevirt, nad, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: where bindings are registered');

const hco = (version: string, spec: object, annotations: object = {}) => `---
apiVersion: hco.kubevirt.io/${version}
kind: HyperConverged
metadata:
  name: kubevirt-hyperconverged
  annotations: ${JSON.stringify(annotations)}
spec: ${JSON.stringify(spec)}
`;
const patches = (...steps: readonly object[]) => ({
  'kubevirt.kubevirt.io/jsonpatch': JSON.stringify(steps),
});
const POINTER = '/spec/configuration/network/binding';
const BROKEN = { domainAttachmentType: 'Tap' };
const FOUND = /^\d+ error: binding "x": domainAttachmentType "Tap" is unknown/;

for (const [why, text] of [
  ['a KubeVirt CR', kubevirt({ x: BROKEN })],
  ['a patch of one', kubevirt({ x: BROKEN }, '')],
  ['a HyperConverged CR', hco('v1beta1', { networkBinding: { x: BROKEN } })],
  ['one of API version v1', hco('v1', { networking: { networkBinding: { x: BROKEN } } })],
  [
    "HyperConverged's JSON patches",
    hco('v1beta1', {}, patches({ op: 'add', path: `${POINTER}/x`, value: BROKEN })),
  ],
  ['a list', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [JSON.parse(toJson(BROKEN))] })],
] as const) {
  test(`reads ${why}`, () => {
    const findings = findingsOf(text);
    assert.is(findings.length, 1);
    assert.match(findings[0] ?? '', FOUND);
  });
}

function toJson(plugin: object): string {
  const configuration = { network: { binding: { x: plugin } } };
  return JSON.stringify({ apiVersion: 'kubevirt.io/v1', kind: 'KubeVirt', spec: { configuration } });
}

for (const pointer of [POINTER, '/spec/configuration/network']) {
  test(`finds a JSON patch of the whole ${pointer}`, () => {
    const findings = findingsOf(hco('v1beta1', {}, patches({ op: 'add', path: pointer, value: {} })));
    assert.equal(findings, [
      `6 error: annotation "kubevirt.kubevirt.io/jsonpatch" replaces all of ${pointer}, which removes other bindings; register bindings in spec.networkBinding of this CR`,
    ]);
  });
}

test('skips unrelated JSON patches', () => {
  const other = { op: 'add', path: '/spec/configuration/migrations', value: { allowPostCopy: true } };
  assert.equal(findingsOf(hco('v1beta1', {}, patches(other, { op: 'remove', path: POINTER }))), []);
});

for (const [why, annotation, finding] of [
  ['invalid JSON', '{', /^6 error: annotation "[^"]+" is not JSON, so the operator stops: /],
  ['not a list', '{}', /^6 error: annotation "[^"]+" is not a list of JSON patches$/],
] as const) {
  test(`finds JSON patches that are ${why}`, () => {
    const findings = findingsOf(hco('v1beta1', {}, { 'kubevirt.kubevirt.io/jsonpatch': annotation }));
    assert.is(findings.length, 1);
    assert.match(findings[0] ?? '', finding);
  });
}

test('reports registrations that are not objects', () => {
  assert.equal(findingsOf(kubevirt({ x: 'tap' })), ['8 error: binding "x" is not an object']);
  assert.equal(findingsOf(kubevirt(['tap'])), [
    '8 error: $.spec.configuration.network.binding is not a map of bindings by name',
  ]);
});

test('reports a missing feature gate up to 1.4', () => {
  const closed = kubevirt({ x: {} }).replace('NetworkBindingPlugins', 'LiveMigration');
  const finding =
    '7 error: KubeVirt "kubevirt": without "NetworkBindingPlugins" in its feature gates, KubeVirt 1.4 rejects every VM that names a binding; add it';
  assert.equal(findingsOf(closed, 4), [finding]);
  assert.equal(findingsOf(closed, 5), []);
  assert.equal(findingsOf(kubevirt({ x: {} }), 4), [], 'it is open');
  assert.equal(
    findingsOf(closed.replace(/metadata: .*/, 'metadata: {}'), 4),
    [],
    'a patch says nothing of gates',
  );
  assert.equal(findingsOf(kubevirt({}).replace('NetworkBindingPlugins', ''), 4), [], 'nothing needs it');
});

test('reports an unregistered binding', () => {
  const reason = 'binding "tapwire" is not registered with KubeVirt, so the VM never starts; registered:';
  const subject = 'VirtualMachine "vms/red": interface "default"';
  const finding = (names: string) => [`8 error: ${subject}: ${reason} ${names}`];
  assert.equal(findingsOf(vm() + kubevirt({ tapwired: {}, x: {} })), finding('"tapwired", "x"'));
  assert.equal(findingsOf(vm() + kubevirt({})), finding('none'));
  assert.equal(findingsOf(vm() + kubevirt({ tapwire: {} })), []);
  assert.equal(findingsOf(vm() + kubevirt({ x: {} }, '')), [
    `8 warning: ${subject}: these files do not register binding "tapwire" with KubeVirt, only "x"; check that the cluster has it`,
  ]);
  assert.equal(findingsOf(vm()), [], 'no registrations, no opinion');
});

for (const [name, meant] of [
  ['tapwrie', 'tapwire'],
  ['tap-wire', 'tapwire'],
  ['tapwire-secondry', 'tapwire-secondary'],
  ['tapwire_mq', 'tapwire-mq'],
  ['lan-tap', null],
  ['l2bridge', null],
] as const) {
  test(`without registrations, ${meant === null ? 'accepts' : 'doubts'} the binding ${name}`, () => {
    const subject = 'VirtualMachine "vms/red": interface "default"';
    const text = vm({ interfaces: [{ name: 'default', binding: { name } }] });
    const reason = `binding "${name}" is not "${meant}"; check the spelling`;
    assert.equal(findingsOf(text), meant === null ? [] : [`8 warning: ${subject}: ${reason}`]);
  });
}

test('accepts the bindings of patches', () => {
  assert.equal(findingsOf(vm() + kubevirt({ tapwire: {} }, '')), []);
});

const TAP = { networkAttachmentDefinition: 'default/tapwire-tap', domainAttachmentType: 'tap' };
const NOT_HERE = `warning: binding "tapwire": NetworkAttachmentDefinition "default/tapwire-tap" is not in these files; check that the cluster has it`;

test('reports a missing NAD if the files look complete', () => {
  assert.equal(findingsOf(kubevirt({ tapwire: TAP })), [], 'only a registration');
  assert.equal(findingsOf(kubevirt({ tapwire: TAP }) + vm()), [`8 ${NOT_HERE}`]);
  assert.equal(findingsOf(kubevirt({ tapwire: TAP }) + nad('tapwire-tap', {}, 'kubevirt')), [
    `8 ${NOT_HERE}`,
  ]);
  assert.equal(findingsOf(kubevirt({ tapwire: TAP }) + nad('tapwire-tap') + vm()), []);
  const unqualified = { ...TAP, networkAttachmentDefinition: 'tapwire-tap' };
  assert.equal(findingsOf(kubevirt({ tapwire: unqualified }) + nad('tapwire-tap', {}, 'x')), []);
});

test('reports kinds that do not exist in the API groups', () => {
  const text = nad('n').replace('kind: NetworkAttachmentDefinition', 'kind: NetworkAttachmentDefinitions');
  assert.equal(findingsOf(text), [
    '3 warning: there is no kind "NetworkAttachmentDefinitions" in k8s.cni.cncf.io, so it was not checked; check the spelling',
  ]);
  for (const group of ['apps', 'export.kubevirt.io']) {
    assert.equal(findingsOf(text.replace('k8s.cni.cncf.io', group)), []);
  }
  assert.equal(findingsOf('apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstanceMigration\n'), []);
});

const KUBEVIRT = 'spec.configuration.network.binding';
const HCO = 'spec.networkBinding or spec.networking.networkBinding';
const ENTRY = { domainAttachmentType: 'tap' };
const cr = (spec: object) => `apiVersion: kubevirt.io/v1\nkind: KubeVirt\nspec: ${JSON.stringify(spec)}\n`;
const network = (value: object) => cr({ configuration: { network: value } });
for (const [why, text, path, where] of [
  [
    'indented to the left',
    cr({ configuration: { binding: { x: {} } } }),
    'spec.configuration.binding',
    KUBEVIRT,
  ],
  ['in the plural', network({ bindings: { x: ENTRY } }), 'spec.configuration.network.bindings', KUBEVIRT],
  [
    'in the plural, as a list',
    network({ bindings: [{ name: 'x', ...ENTRY }] }),
    'spec.configuration.network.bindings',
    KUBEVIRT,
  ],
  [
    'in a network that is a list',
    cr({ configuration: { network: [{ binding: { x: ENTRY } }] } }),
    'spec.configuration.network.0.binding',
    KUBEVIRT,
  ],
  ['in capitals', network({ Binding: { x: ENTRY } }), 'spec.configuration.network.Binding', KUBEVIRT],
  ['misspelt', network({ bindng: { x: {} } }), 'spec.configuration.network.bindng', KUBEVIRT],
  [
    'without the map around them',
    network({ tapwire: ENTRY }),
    'spec.configuration.network.tapwire',
    KUBEVIRT,
  ],
  [
    'next to an empty map',
    network({ binding: null, tapwire: ENTRY }),
    'spec.configuration.network.tapwire',
    KUBEVIRT,
  ],
  [
    'next to a map of others',
    network({ binding: { x: {} }, 'tap.wire': ENTRY }),
    'spec.configuration.network.tap.wire',
    KUBEVIRT,
  ],
  [
    'in a network of the plural',
    cr({ configuration: { networks: { binding: { x: {} } } } }),
    'spec.configuration.networks.binding',
    KUBEVIRT,
  ],
  ['at the top level', cr({ binding: { x: {} } }), 'spec.binding', KUBEVIRT],
  ['at the path of HyperConverged', cr({ networkBinding: { x: ENTRY } }), 'spec.networkBinding', KUBEVIRT],
  [
    'of HyperConverged at the path of KubeVirt',
    hco('v1', { configuration: { network: { binding: { x: ENTRY } } } }),
    'spec.configuration.network.binding',
    HCO,
  ],
  [
    'of HyperConverged in the plural',
    hco('v1beta1', { networkBindings: { x: {} } }),
    'spec.networkBindings',
    HCO,
  ],
  [
    'of HyperConverged in a misspelt map',
    hco('v1', { networks: { networkBinding: {} } }),
    'spec.networks.networkBinding',
    HCO,
  ],
] as const) {
  test(`finds bindings ${why}, which register nothing`, () => {
    const kind = where === HCO ? 'HyperConverged' : 'KubeVirt';
    const findings = findingsOf(text).map((finding) => finding.replace(/^\d+ /, ''));
    assert.equal(findings, [`error: ${kind} has no field ${path}; bindings are registered in ${where}`]);
  });
}

test('skips the other settings of a CR', () => {
  const settings = {
    configuration: {
      network: {
        defaultNetworkInterface: 'masquerade',
        permitBridgeInterfaceOnPodNetwork: true,
        binding: { x: ENTRY },
      },
      migrations: { network: 'lan' },
    },
    infra: { nodePlacement: { nodeSelector: { binding: 'x' } } },
  };
  const managed = { f: { 'f:network': { 'f:binding': { 'f:domainAttachmentType': {} } } } };
  assert.equal(findingsOf(cr(settings)), []);
  assert.equal(
    findingsOf(
      JSON.stringify({
        apiVersion: 'kubevirt.io/v1',
        kind: 'KubeVirt',
        metadata: { managed },
        status: { binding: {} },
      }),
    ),
    [],
  );
});

test('names the line of a misplaced binding', () => {
  const text = kubevirt({}, '').replace(
    'network: {binding: {}}',
    'network:\n      binding:\n      "tap.wire": {domainAttachmentType: tap}',
  );
  assert.match(findingsOf(text)[0] ?? '', /^10 error: KubeVirt has no field/);
});

test('reports a JSON patch that writes a binding to a wrong path', () => {
  const stray = { op: 'add', path: '/spec/configuration/network/bindings/x', value: ENTRY };
  assert.equal(findingsOf(hco('v1beta1', {}, patches(stray))), [
    '6 error: annotation "kubevirt.kubevirt.io/jsonpatch" registers nothing at /spec/configuration/network/bindings/x; write bindings to /spec/configuration/network/binding/NAME',
  ]);
});

test('reports a binding that is registered twice with different fields', () => {
  const other = kubevirt({ x: { ...ENTRY, migration: {} } });
  const first = kubevirt({ x: ENTRY });
  assert.equal(findingsOf(first + other), [
    '16 warning: binding "x" differs from the one of the same name at f:8; remove one of them',
  ]);
  assert.equal(findingsOf(first + first), [], 'in the same way');
  assert.equal(findingsOf(first + other.replace(/metadata: .*/, 'metadata: {}')), [], 'a patch replaces it');
});

test.run();
