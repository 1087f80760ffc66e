import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, nad, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: kinds and names of objects');

for (const [apiVersion, kinds] of [
  ['k8s.cni.cncf.io/v1alpha1', ['IPAMClaim', 'IPAMClaimList']],
  ['k8s.cni.cncf.io/v1beta1', ['MultiNetworkPolicy', 'MultiNetworkPolicyList']],
  ['kubevirt.io/v1', ['VirtualMachineInstanceMigration', 'VirtualMachineInstancePreset']],
  [
    'instancetype.kubevirt.io/v1beta1',
    [
      'VirtualMachineInstancetype',
      'VirtualMachineClusterInstancetype',
      'VirtualMachinePreference',
      'VirtualMachineClusterPreference',
      'VirtualMachineClusterPreferenceList',
    ],
  ],
  ['snapshot.kubevirt.io/v1beta1', ['VirtualMachineSnapshot']],
  ['migrations.kubevirt.io/v1alpha1', ['MigrationPolicy']],
  ['virtualization.deckhouse.io/v1alpha2', ['VirtualMachine']],
  ['v1', ['Pod', 'List']],
] as const) {
  for (const kind of kinds) {
    test(`accepts ${kind} of ${apiVersion}`, () =>
      assert.equal(findingsOf(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: x}\n`), []));
  }
}

for (const [kind, apiVersion, finding] of [
  [
    'IPAMClaims',
    'k8s.cni.cncf.io/v1alpha1',
    '2 warning: there is no kind "IPAMClaims" in k8s.cni.cncf.io, so it was not checked; check the spelling',
  ],
  [
    'VirtualMachinePools',
    'pool.kubevirt.io/v1beta1',
    '2 warning: there is no kind "VirtualMachinePools" in pool.kubevirt.io, so it was not checked; check the spelling',
  ],
  [
    'NetworkAttachmentDefinition',
    'v1',
    '1 warning: there is no kind "NetworkAttachmentDefinition" in the core group, so it was not checked; write apiVersion: k8s.cni.cncf.io/v1',
  ],
  [
    'NetworkAttachmentDefinition',
    'k8s.cni.cnf.io/v1',
    '1 warning: there is no kind "NetworkAttachmentDefinition" in k8s.cni.cnf.io, so it was not checked; write apiVersion: k8s.cni.cncf.io/v1',
  ],
  [
    'KubeVirt',
    'kubevirt/v1',
    '1 warning: there is no kind "KubeVirt" in kubevirt, so it was not checked; write apiVersion: kubevirt.io/v1',
  ],
] as const) {
  test(`finds ${kind} of ${apiVersion}, which does not exist`, () => {
    assert.equal(findingsOf(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: x}\nspec: {}\n`), [
      finding,
    ]);
  });
}

test('finds objects that lack kind or apiVersion', () => {
  assert.equal(findingsOf('apiVersion: kubevirt.io/v1\nspec: {}\n'), [
    '1 error: an object of kubevirt.io/v1 has no kind, so it was not checked; write one',
  ]);
  assert.equal(findingsOf('# x\nkind: NetworkAttachmentDefinition\nspec: {}\n'), [
    '2 error: a NetworkAttachmentDefinition has no apiVersion, so it was not checked; write apiVersion: k8s.cni.cncf.io/v1',
  ]);
  assert.equal(findingsOf('apiVersion: v1\n---\nkind: Pod\n---\nspec: {}\n'), []);
});

test('finds names that are not text', () => {
  const named = (metadata: string) =>
    findingsOf(`apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n${metadata}`);
  const rejects = 'and not text, and the API server rejects it; put it between quotes';
  assert.equal(named('  name: on\n'), [
    `4 error: NetworkAttachmentDefinition: metadata.name is true ${rejects}`,
  ]);
  assert.equal(named('  name: lan\n  namespace: 42\n'), [
    `5 error: NetworkAttachmentDefinition: metadata.namespace is 42 ${rejects}`,
  ]);
  assert.equal(named('  name: "on"\n'), []);
  assert.equal(findingsOf('apiVersion: v1\nkind: Pod\nmetadata: {name: on}\n'), [], 'not ours to say');
});

test('finds two objects of one name that differ', () => {
  const twin = (kind: string, name: string, line: number) =>
    `${line} warning: ${kind} "${name}" differs from the one of the same name at f:4; remove one of them`;
  assert.equal(findingsOf(nad('n') + nad('n', { mtu: 1400 })), [
    twin('NetworkAttachmentDefinition', 'default/n', 9),
  ]);
  assert.equal(findingsOf(vm() + vm({ domain: { cpu: { cores: 4 } } })), [
    twin('VirtualMachine', 'vms/red', 13),
  ]);
});

test('accepts two objects of one name that are equal', () => {
  assert.equal(findingsOf(nad('n') + nad('n')), []);
  const spaced = JSON.stringify({ type: 'tapwire', name: 'n', cniVersion: '1.0.0' }, null, 2);
  assert.equal(findingsOf(nad('n') + nad('n', spaced)), [], 'JSON in another order, with blanks');
  assert.equal(findingsOf(nad('n') + nad('n', { mtu: 1400 }, 'vms')), [], 'in another namespace');
  assert.equal(findingsOf(vm() + vm()), []);
  const generated = vm().replace('name: red', 'generateName: red');
  assert.equal(
    findingsOf(generated + generated.replace('"cores":2', '"cores":4')),
    [],
    'names that are still to come',
  );
});

test.run();
