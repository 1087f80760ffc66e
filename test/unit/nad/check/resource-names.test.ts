import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkSources } from '../../../../nad/check/check.ts';
import { findingsOf, nad, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: devices that NADs request');

const ASKED = 'k8s.v1.cni.cncf.io/resourceName';
const annotated = (text: string) =>
  text.replace(/"namespace":"(\w+)"\}/, `"namespace":"$1","annotations":{"${ASKED}":"example.test/dev"}}`);
const OURS = annotated(nad('tapwire-tap'));
const MACVTAP = annotated(nad('fast', { type: 'macvtap' }, 'vms'));
const kubevirt = (gates: object, more: object = {}) => `---
${JSON.stringify({ apiVersion: 'kubevirt.io/v1', kind: 'KubeVirt', metadata: { name: 'kubevirt' }, spec: { configuration: { developerConfiguration: gates } }, ...more })}
`;
const GATE = 'ExternalNetResourceInjection';
const REMEDY =
  'install network-resources-injector, or add the gate to disabledFeatureGates in the KubeVirt CR';
const finding = (name: string, minor = 9) =>
  `4 warning: NetworkAttachmentDefinition "${name}": KubeVirt 1.${minor} does not request device "example.test/dev" for VMs (feature gate ${GATE}); ${REMEDY}`;

const hyperconverged = (list: string, value: unknown) => {
  const patch = [{ op: 'add', path: `/spec/configuration/developerConfiguration/${list}`, value }];
  const annotations = { 'kubevirt.kubevirt.io/jsonpatch': JSON.stringify(patch) };
  return `---\n${JSON.stringify({ apiVersion: 'hco.kubevirt.io/v1beta1', kind: 'HyperConverged', metadata: { name: 'h', annotations } })}\n`;
};

const onNetwork = (networkName: string) =>
  vm({
    interfaces: [{ name: 'default', binding: { name: 'macvtap' } }],
    networks: [{ name: 'default', multus: { networkName } }],
  });
const registers = kubevirt({}).replace(
  '"configuration":{',
  '"configuration":{"network":{"binding":{"macvtap":{"networkAttachmentDefinition":"vms/fast","domainAttachmentType":"tap"}}},',
);

for (const [why, text, minor, want] of [
  ['before 1.8', OURS, 7, []],
  ['of 1.8, whose gate is off', OURS, 8, []],
  ['of 1.8 with the gate', OURS + kubevirt({ featureGates: [GATE] }), 8, [finding('default/tapwire-tap', 8)]],
  ['of 1.9', OURS, 9, [finding('default/tapwire-tap')]],
  [
    'of 1.9 with a CR that does not mention the gate',
    OURS + kubevirt({}),
    9,
    [finding('default/tapwire-tap')],
  ],
  ['of 1.9 with the gate off', OURS + kubevirt({ disabledFeatureGates: ['x', GATE] }), 9, []],
  [
    'of 1.9 with the gate on and off, which is on',
    OURS + kubevirt({ featureGates: [GATE], disabledFeatureGates: [GATE] }),
    9,
    [finding('default/tapwire-tap')],
  ],
  ['that comes after 1.9', OURS, 12, [finding('default/tapwire-tap', 12)]],
  [
    'with the injector in the files',
    `${OURS}---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: network-resources-injector}\n`,
    9,
    [],
  ],
  [
    'with the operator that installs the injector',
    `${OURS}---\napiVersion: sriovnetwork.openshift.io/v1\nkind: SriovOperatorConfig\nmetadata: {name: default}\nspec: {enableInjector: true}\n`,
    9,
    [],
  ],
  ['whose gate HyperConverged turns off', OURS + hyperconverged('disabledFeatureGates/-', GATE), 9, []],
  [
    'whose gate HyperConverged turns off in a list',
    OURS + hyperconverged('disabledFeatureGates', [GATE]),
    9,
    [],
  ],
  [
    'whose other gate HyperConverged turns off',
    OURS + hyperconverged('disabledFeatureGates/-', 'x'),
    9,
    [finding('default/tapwire-tap')],
  ],
  [
    'of 1.8 whose gate HyperConverged turns on',
    OURS + hyperconverged('featureGates/-', GATE),
    8,
    [finding('default/tapwire-tap', 8)],
  ],
  ['and a NAD of another plugin that no VM uses', MACVTAP, 9, []],
  ["and a NAD of another plugin in a VM's network", MACVTAP + onNetwork('fast'), 9, [finding('vms/fast')]],
  ['and a NAD of another plugin that is registered', MACVTAP + registers, 9, [finding('vms/fast')]],
  ['and a NAD that requests no device', nad('tapwire-tap'), 9, []],
] as const) {
  test(`judges the devices of a KubeVirt ${why}`, () => assert.equal(findingsOf(text, minor), want));
}

const observed = (version: unknown) => kubevirt({}, { status: { observedKubeVirtVersion: version } });
for (const [why, text, want] of [
  ['an older one in the status', OURS + observed('v1.8.2'), 0],
  ['1.9 in the status', OURS + observed('v1.9.0'), 1],
  ['none in the status, which is the newest', OURS + kubevirt({}), 1],
  ['a status that is not a version', OURS + observed('devel'), 1],
  ['a status that is not text', OURS + observed(1.8), 1],
  ['a status that is too old to be supported', OURS + observed('v1.0.0'), 1],
] as const) {
  test(`reads the version from the input: ${why}`, () => {
    assert.is(checkSources([{ file: 'f', text }], null).findings.length, want);
  });
}

test('prefers --kubevirt to the version in the input', () => {
  assert.equal(checkSources([{ file: 'f', text: OURS + observed('v1.9.0') }], 8).findings, []);
});

test.run();
