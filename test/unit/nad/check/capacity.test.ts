import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nad } from '../../../helpers/cluster/check.ts';
import {
  asking,
  bound,
  findingsOf,
  LAN,
  onLan,
  REGISTERED,
  SUBJECT,
} from '../../../helpers/cluster/macvtap.ts';

const test = suite('checkCapacity()');

const node = (name: string, allocatable: object) =>
  `---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name }, status: { allocatable } })}\n`;
const DEVICES = { 'tapwire.io/vm-lan': '2', cpu: '8' };
/** VMs with the names a, b, …, with these fields of their spec. */
const several = (specs: readonly string[]) =>
  specs
    .map((spec, i) =>
      onLan()
        .replace('{name: red,', `{name: ${String.fromCharCode(97 + i)},`)
        .replace('spec:\n  template', `spec:\n  ${spec}\n  template`),
    )
    .join('');
const ALWAYS = 'runStrategy: Always';
const inAnnotation = (reason: string) => `4 warning: ${SUBJECT}: ${reason}`;
const tooFew = (count: number, total: number) =>
  inAnnotation(
    `the VMs that run need ${count} of "tapwire.io/vm-lan", but all nodes together offer ${total}; raise "capacity" in $.macvtap.resources of the node policy file`,
  );

for (const [why, text, want] of [
  ['no nodes in the files', several([ALWAYS, ALWAYS, ALWAYS]), []],
  ['as many VMs as devices', several([ALWAYS, 'running: true']) + node('n1', DEVICES), []],
  ['more VMs than devices', several([ALWAYS, ALWAYS, 'running: true']) + node('n1', DEVICES), [tooFew(3, 2)]],
  [
    'the devices of several nodes',
    several([ALWAYS, ALWAYS, ALWAYS]) +
      node('n1', DEVICES) +
      node('n2', { ...DEVICES, 'tapwire.io/vm-lan': '1' }),
    [],
  ],
  [
    'VMs that are stopped',
    several([ALWAYS, 'runStrategy: Halted', 'running: false']) + node('n1', DEVICES),
    [],
  ],
  [
    'a resource that no node offers',
    several([ALWAYS]) + node('n1', { cpu: '8' }),
    [
      inAnnotation(
        'no node in these files offers "tapwire.io/vm-lan"; check $.macvtap.resources of /etc/tapwire/node.json on the nodes, and that ' +
          'the DaemonSet has the component macvtap',
      ),
    ],
  ],
  [
    'a resource whose lower device is gone',
    several([ALWAYS]) + node('n1', { 'tapwire.io/vm-lan': '0' }),
    [tooFew(1, 0)],
  ],
  ['a resource that no VM uses', node('n1', { cpu: '8' }), []],
] as const) {
  test(`compares devices with VMs: ${why}`, () => assert.equal(findingsOf(LAN + REGISTERED + text), want));
}

test('counts the replicas of a pool, and a VMI only if it belongs to nothing', () => {
  const spec = {
    domain: { devices: { interfaces: [{ name: 'red', ...bound('tapwire-macvtap') }] } },
    networks: [{ name: 'red', multus: { networkName: 'lan' } }],
  };
  const object = (apiVersion: string, kind: string, parts: object, metadata: object = {}) =>
    `---\n${JSON.stringify({ apiVersion, kind, metadata: { name: 'x', namespace: 'vms', ...metadata }, spec: parts })}\n`;
  const pool = object('pool.kubevirt.io/v1beta1', 'VirtualMachinePool', {
    replicas: 3,
    virtualMachineTemplate: { spec: { template: { spec } } },
  });
  const vmi = (metadata: object) => object('kubevirt.io/v1', 'VirtualMachineInstance', spec, metadata);
  const cluster = LAN + REGISTERED + node('n1', DEVICES);
  assert.equal(findingsOf(cluster + pool), [tooFew(3, 2)]);
  const two = cluster + several([ALWAYS, ALWAYS]);
  assert.equal(findingsOf(two + vmi({ ownerReferences: [{ kind: 'VirtualMachine' }] })), []);
  assert.equal(findingsOf(two + vmi({})), [tooFew(3, 2)]);
});

test('compares devices of other device plugins, too', () => {
  const other = asking(nad('lan', { type: 'sriov' }, 'vms'), 'example.test/vf');
  const text = several([ALWAYS]).replaceAll('"binding":{"name":"tapwire-macvtap"}', '"sriov":{}');
  assert.equal(findingsOf(other + text + node('n1', { 'example.test/vf': 0 })), [
    inAnnotation('the VMs that run need 1 of "example.test/vf", but all nodes together offer 0'),
  ]);
  assert.equal(findingsOf(other + text + node('n1', {})), [
    inAnnotation('no node in these files offers "example.test/vf"'),
  ]);
});

test.run();
