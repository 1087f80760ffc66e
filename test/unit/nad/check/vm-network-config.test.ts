import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: the annotation tapwire.io/network-config');

const KEY = 'tapwire.io/network-config';
const ASKED = { [KEY]: 'pod' };
const CLOUD_INIT = { name: 'init', cloudInitNoCloud: { userData: '#cloud-config\n' } };

interface Parts {
  /** Annotations of the VMI. */
  readonly asked?: object;
  /** Annotations of the VM itself. */
  readonly own?: object;
  readonly volumes?: unknown;
}

/** Findings for a VM with these annotations and volumes. */
const findingsFor = ({ asked, own, volumes = [{ name: 'root' }, CLOUD_INIT] }: Parts) =>
  findingsOf(
    `${vm({ interfaces: [{ name: 'default', binding: { name: 'tapwire-pod-ip' } }] })
      .replace(
        'metadata: {name: red, ',
        own === undefined ? '$&' : `metadata: {annotations: ${JSON.stringify(own)}, name: red, `,
      )
      .replace(
        '  template:\n',
        asked === undefined ? '$&' : `  template:\n    metadata: {annotations: ${JSON.stringify(asked)}}\n`,
      )}      volumes: ${JSON.stringify(volumes)}\n`,
  );

const SUBJECT = `VirtualMachine "vms/red": annotation "${KEY}"`;

test('accepts the annotation in the template, with a volume of cloud-init', () => {
  assert.equal(findingsFor({ asked: ASKED }), []);
  const cloudInitConfigDrive = { userData: '#cloud-config\n' };
  assert.equal(findingsFor({ asked: ASKED, volumes: [{ name: 'init', cloudInitConfigDrive }] }), []);
});

test('accepts a VM without it, with network data of its own', () => {
  const volumes = [{ name: 'init', cloudInitNoCloud: { networkData: 'version: 2\n' } }];
  assert.equal(findingsFor({ volumes }), []);
  assert.equal(findingsFor({ asked: { other: 'pod' }, own: { other: 'pod' }, volumes }), []);
});

test('finds it at the VM, from which KubeVirt does not copy it', () => {
  assert.equal(findingsFor({ own: ASKED }), [
    `4 warning: ${SUBJECT} has no effect here, because the sidecar reads it from the VMI; move it to $.spec.template.metadata.annotations`,
  ]);
  assert.equal(findingsFor({ own: ASKED, asked: ASKED }), []);
});

test('reads it from a VMI itself', () => {
  const vmi = (annotations: object, volumes: unknown = [CLOUD_INIT]) =>
    findingsOf(
      `apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: ${JSON.stringify({ name: 'red', namespace: 'vms', annotations })}\n` +
        `spec: ${JSON.stringify({ domain: { devices: {} }, volumes })}\n`,
    );
  assert.equal(vmi(ASKED), []);
  assert.equal(vmi(ASKED, []).length, 1);
});

for (const value of ['network', '', 'Pod', true, 5]) {
  test(`finds the value ${JSON.stringify(value)}, which has no effect`, () => {
    assert.equal(findingsFor({ asked: { [KEY]: value } }), [
      `7 warning: ${SUBJECT} is ${JSON.stringify(value)}, which has no effect; want "pod"`,
    ]);
  });
}

test('finds a VM without a volume of cloud-init', () => {
  for (const volumes of [[], [{ name: 'root' }], 5, null]) {
    assert.equal(findingsFor({ asked: ASKED, volumes }), [
      `7 warning: ${SUBJECT} has no effect without a volume of cloud-init; add one of cloudInitNoCloud, cloudInitConfigDrive, or remove the annotation`,
    ]);
  }
});

for (const source of ['cloudInitNoCloud', 'cloudInitConfigDrive']) {
  for (const [key, value] of [
    ['networkData', 'version: 2\n'],
    ['networkDataBase64', 'dmVyc2lvbjogMgo='],
    ['networkDataSecretRef', { name: 'a' }],
  ] as const) {
    test(`finds ${key} of ${source} next to it`, () => {
      const volumes = [{ name: 'init', [source]: { [key]: value } }];
      assert.equal(findingsFor({ asked: ASKED, volumes }), [
        `11 warning: ${SUBJECT} has no effect, because volume "init" has ${key} of its own; remove one of them`,
      ]);
    });
  }
}

test('accepts network data that is empty', () => {
  const volumes = [{ name: 'init', cloudInitNoCloud: { networkData: '' } }];
  assert.equal(findingsFor({ asked: ASKED, volumes }), []);
});

test.run();
