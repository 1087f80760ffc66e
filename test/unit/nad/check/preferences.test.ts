import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, type VmParts, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: preferences');

const bound = (name: string, more: object = {}): VmParts => ({
  interfaces: [{ name: 'default', binding: { name }, ...more }],
});
const TAP = bound('tapwire');
const MQ = bound('tapwire-mq');
const ASKED: VmParts = { devices: { networkInterfaceMultiqueue: true } };
const NOT_ASKED: VmParts = { devices: { networkInterfaceMultiqueue: false } };

const preference = (devices: object, kind = 'VirtualMachineClusterPreference', namespace?: string) => `---
apiVersion: instancetype.kubevirt.io/v1beta1
kind: ${kind}
metadata: ${JSON.stringify({ name: 'p', ...(namespace === undefined ? {} : { namespace }) })}
spec: ${JSON.stringify({ devices })}
`;
const QUEUES = { preferredNetworkInterfaceMultiQueue: true };
const E1000E = { preferredInterfaceModel: 'e1000e' };
const VIRTIO = { preferredInterfaceModel: 'virtio' };

const withPreference = (parts: VmParts, matcher: object) =>
  vm(parts).replace('spec:\n', `spec:\n  preference: ${JSON.stringify(matcher)}\n`);

const MANY_ON_ONE = /asks for 2 queues .* but its tap has one/;
const ONE_ON_MANY = /takes several queues but the VM asks for one/;

const P = { name: 'p' };
const NAMESPACED = { name: 'p', kind: 'VirtualMachinePreference' };
for (const [why, text, want] of [
  ['tap-mq, unknown: it may request queues', withPreference(MQ, P), null],
  ['tap-mq, unknown, inferred from a volume', withPreference(MQ, { inferFromVolume: 'root' }), null],
  ['tap, unknown', withPreference(TAP, P), null],
  ['tap-mq, which requests queues', withPreference(MQ, P) + preference(QUEUES), null],
  ['tap, which requests queues', withPreference(TAP, P) + preference(QUEUES), MANY_ON_ONE],
  ['tap-mq, which does not mention queues', withPreference(MQ, P) + preference({}), ONE_ON_MANY],
  [
    'tap-mq, which requests no queues',
    withPreference(MQ, P) + preference({ preferredNetworkInterfaceMultiQueue: false }),
    ONE_ON_MANY,
  ],
  [
    'tap-mq, the VM itself requests no queues',
    withPreference({ ...MQ, ...NOT_ASKED }, P) + preference(QUEUES),
    ONE_ON_MANY,
  ],
  [
    'tap-mq, unknown, the VM itself requests no queues',
    withPreference({ ...MQ, ...NOT_ASKED }, P),
    ONE_ON_MANY,
  ],
  ['tap-mq, unknown, of one vCPU', withPreference({ ...MQ, domain: { cpu: { cores: 1 } } }, P), ONE_ON_MANY],
  [
    'tap, the VM requests queues, unknown: it may name a model without',
    withPreference({ ...TAP, ...ASKED }, P),
    null,
  ],
  ['tap-mq, the VM requests queues, unknown', withPreference({ ...MQ, ...ASKED }, P), null],
  [
    'tap, the VM requests queues, of e1000e',
    withPreference({ ...TAP, ...ASKED }, P) + preference(E1000E),
    null,
  ],
  [
    'tap-mq, the VM requests queues, of e1000e',
    withPreference({ ...MQ, ...ASKED }, P) + preference(E1000E),
    ONE_ON_MANY,
  ],
  [
    'tap, the VM requests queues, of virtio',
    withPreference({ ...TAP, ...ASKED }, P) + preference(VIRTIO),
    MANY_ON_ONE,
  ],
  [
    'tap, the VM requests queues and itself names virtio',
    withPreference({ ...bound('tapwire', { model: 'virtio' }), ...ASKED }, P),
    MANY_ON_ONE,
  ],
  [
    "one of the VM's namespace",
    withPreference(TAP, NAMESPACED) + preference(QUEUES, NAMESPACED.kind, 'vms'),
    MANY_ON_ONE,
  ],
  [
    'one of another namespace',
    withPreference(TAP, NAMESPACED) + preference(QUEUES, NAMESPACED.kind, 'x'),
    null,
  ],
  ["a cluster's of the same name", withPreference(MQ, NAMESPACED) + preference({}), null],
  [
    'a kind in lower case and the plural',
    withPreference(TAP, { ...P, kind: 'virtualmachineclusterpreferences' }) + preference(QUEUES),
    MANY_ON_ONE,
  ],
] as const) {
  test(`judges a preference: ${why}`, () => {
    const findings = findingsOf(text);
    assert.is(findings.length, want === null ? 0 : 1, findings.join('\n'));
    if (want !== null) assert.match(findings[0] ?? '', want);
  });
}

test('reads the preference of a pool', () => {
  const spec = JSON.parse(
    JSON.stringify({
      template: {
        spec: {
          domain: { cpu: { cores: 2 }, devices: { interfaces: MQ.interfaces } },
          networks: [{ name: 'default', pod: {} }],
        },
      },
    }),
  );
  const pool = (extra: object) =>
    JSON.stringify({
      apiVersion: 'pool.kubevirt.io/v1beta1',
      kind: 'VirtualMachinePool',
      metadata: { name: 'p' },
      spec: { virtualMachineTemplate: { spec: { ...spec, ...extra } } },
    });
  assert.equal(findingsOf(pool({ preference: P })), []);
  assert.match(findingsOf(pool({}))[0] ?? '', ONE_ON_MANY);
});

test('accepts a NIC without a binding method if a preference adds one', () => {
  const bare: VmParts = { interfaces: [{ name: 'default' }] };
  const none = /needs exactly one of .*, got none$/;
  assert.equal(findingsOf(withPreference(bare, P)), []);
  assert.equal(findingsOf(withPreference(bare, P) + preference({ preferredInterfaceMasquerade: {} })), []);
  assert.match(findingsOf(withPreference(bare, P) + preference({}))[0] ?? '', none);
  assert.match(findingsOf(vm(bare))[0] ?? '', none);
  const lan = { ...bare, networks: [{ name: 'default', multus: { networkName: 'lan' } }] };
  assert.match(findingsOf(withPreference(lan, P))[0] ?? '', none);
});

test.run();
