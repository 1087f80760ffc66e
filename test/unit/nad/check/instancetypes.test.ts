import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, type VmParts, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: instancetypes');

const asks = (binding: string): VmParts => ({
  interfaces: [{ name: 'default', binding: { name: binding } }],
  devices: { networkInterfaceMultiqueue: true },
  domain: { cpu: null },
});
const TAP = asks('tapwire');
const MQ = asks('tapwire-mq');

const withInstancetype = (parts: VmParts, matcher: object) =>
  vm(parts).replace('spec:\n', `spec:\n  instancetype: ${JSON.stringify(matcher)}\n`);
const instancetype = (guest: unknown, kind = 'VirtualMachineClusterInstancetype', namespace?: string) => `---
apiVersion: instancetype.kubevirt.io/v1beta1
kind: ${kind}
metadata: ${JSON.stringify({ name: 'i', ...(namespace === undefined ? {} : { namespace }) })}
spec: ${JSON.stringify({ cpu: { guest } })}
`;

const I = { name: 'i' };
const NAMESPACED = { name: 'i', kind: 'VirtualMachineInstancetype' };
const MANY_ON_ONE = /asks for 4 queues .* but its tap has one/;
const ONE_ON_MANY = /takes several queues but the VM asks for one/;
for (const [why, text, want] of [
  ['tap-mq, unknown', withInstancetype(MQ, I), null],
  ['tap, unknown', withInstancetype(TAP, I), null],
  ['tap-mq, of four vCPUs', withInstancetype(MQ, I) + instancetype(4), null],
  ['tap-mq, of one vCPU', withInstancetype(MQ, I) + instancetype(1), ONE_ON_MANY],
  ['tap, of four vCPUs', withInstancetype(TAP, I) + instancetype(4), MANY_ON_ONE],
  ['tap, of one vCPU', withInstancetype(TAP, I) + instancetype(1), null],
  ['tap, whose vCPUs are not a number', withInstancetype(TAP, I) + instancetype('4'), null],
  [
    "tap, one of the VM's namespace",
    withInstancetype(TAP, NAMESPACED) + instancetype(4, NAMESPACED.kind, 'vms'),
    MANY_ON_ONE,
  ],
  [
    'tap, one of another namespace',
    withInstancetype(TAP, NAMESPACED) + instancetype(4, NAMESPACED.kind, 'x'),
    null,
  ],
  ["tap, a cluster's of the same name", withInstancetype(TAP, NAMESPACED) + instancetype(4), null],
  ['tap, inferred from a volume', withInstancetype(TAP, { inferFromVolume: 'root' }) + instancetype(4), null],
] as const) {
  test(`judges an instancetype: ${why}`, () => {
    const findings = findingsOf(text);
    assert.is(findings.length, want === null ? 0 : 1, findings.join('\n'));
    if (want !== null) assert.match(findings[0] ?? '', want);
  });
}

test('finds two instancetypes of one name that differ', () => {
  const [finding = '', ...others] = findingsOf(vm() + instancetype(4) + instancetype(2));
  assert.equal(others, []);
  assert.match(
    finding,
    /VirtualMachineClusterInstancetype "default\/i" differs from the one of the same name/,
  );
});

test.run();
