import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: networks and interfaces of VMs');

const POD = { name: 'default', pod: {} };
const LAN = { name: 'lan', multus: { networkName: 'lan' } };
const TAPWIRE = { name: 'default', binding: { name: 'tapwire' } };
const BRIDGE = { name: 'lan', bridge: {} };
const VM = 'VirtualMachine "vms/red"';
const CLAIM = { claimName: 'c', requestName: 'r' };

for (const [why, parts, minor] of [
  ['one network', {}, 1],
  ['two', { interfaces: [TAPWIRE, BRIDGE], networks: [POD, LAN] }, 9],
  ['no interfaces, because KubeVirt adds one', { interfaces: [], networks: [] }, 9],
  [
    'a default network of Multus',
    { networks: [{ ...LAN, name: 'default', multus: { networkName: 'lan', default: true } }] },
    9,
  ],
  [
    'a claimed device',
    { networks: [{ name: 'default', resourceClaim: { claimName: 'c', requestName: 'r' } }], claim: 'c' },
    9,
  ],
  ['slirp in a version of KubeVirt that has it', { interfaces: [{ name: 'default', slirp: {} }] }, 2],
  ['passtBinding', { interfaces: [{ name: 'default', passtBinding: {} }] }, 8],
  ['a method that is null, which counts as absent', { interfaces: [{ ...TAPWIRE, bridge: null }] }, 9],
  [
    'an unplugged bridge',
    {
      interfaces: [
        { name: 'default', masquerade: {} },
        { ...BRIDGE, state: 'absent' },
      ],
      networks: [POD, LAN],
    },
    9,
  ],
  ['ports and their ranges', { interfaces: [{ ...TAPWIRE, ports: [], portRanges: [] }] }, 9],
  ['a link that is down', { interfaces: [{ ...TAPWIRE, state: 'down' }] }, 9],
] as const) {
  test(`accepts ${why}`, () => assert.equal(findingsOf(vm(parts), minor), []));
}

const METHODS = 'needs exactly one of bridge, masquerade, sriov, passtBinding and binding, got';
for (const [why, parts, minor, findings] of [
  [
    'an interface without a network, and a network without an interface',
    { networks: [{ ...POD, name: 'defualt' }] },
    9,
    [
      `8 error: ${VM}: interface "default" has no network of that name; add it to "networks", or remove the interface`,
      `9 error: ${VM}: network "defualt" has no interface of that name; add it to "interfaces", or remove the network`,
    ],
  ],
  [
    'an interface twice',
    { interfaces: [TAPWIRE, TAPWIRE] },
    9,
    [`8 error: ${VM}: interface "default" appears twice; a network has one interface`],
  ],
  [
    'a network twice',
    { networks: [LAN, LAN], interfaces: [BRIDGE] },
    9,
    [`9 error: ${VM}: network "lan" appears twice; give each its own name`],
  ],
  [
    'no binding method',
    { interfaces: [{ name: 'default' }] },
    9,
    [`8 error: ${VM}: interface "default" ${METHODS} none`],
  ],
  [
    'a misspelt one',
    { interfaces: [{ name: 'default', bindings: { name: 'tapwire' } }] },
    9,
    [
      `8 error: ${VM}: interface "default" ${METHODS} none`,
      `8 warning: ${VM}: interface "default": KubeVirt has no field "bindings"; want "binding"`,
    ],
  ],
  [
    'two',
    { interfaces: [{ ...TAPWIRE, masquerade: {} }] },
    9,
    [`8 error: ${VM}: interface "default" ${METHODS} "masquerade" and "binding"`],
  ],
  [
    'a network of no kind',
    { networks: [{ name: 'default' }] },
    9,
    [`9 error: ${VM}: network "default" needs exactly one of "pod", "multus" and "resourceClaim"`],
  ],
  [
    'a network of two kinds',
    { networks: [{ ...LAN, ...POD }] },
    9,
    [`9 error: ${VM}: network "default" needs exactly one of "pod", "multus" and "resourceClaim"`],
  ],
  [
    'two primary networks',
    {
      interfaces: [TAPWIRE, BRIDGE],
      networks: [POD, { name: 'lan', multus: { networkName: 'lan', default: true } }],
    },
    9,
    [
      `9 error: ${VM}: networks "default" and "lan" are both primary, but a pod has only one primary network; make one secondary`,
    ],
  ],
  ...(['slirp', 'passt', 'macvtap'] as const).map(
    (method) =>
      [
        `${method} that KubeVirt has removed`,
        { interfaces: [{ name: 'default', [method]: {} }] },
        3,
        [
          `8 error: ${VM}: interface "default": KubeVirt 1.3 no longer has "${method}"; use binding "tapwire-${method}"`,
        ],
      ] as const,
  ),
  [
    'passtBinding in a version of KubeVirt that does not have it yet',
    { interfaces: [{ name: 'default', passtBinding: {} }] },
    7,
    [`8 error: ${VM}: interface "default": KubeVirt 1.7 silently drops "passtBinding": it came with 1.8`],
  ],
  [
    'portRanges in a version of KubeVirt that does not have them yet',
    { interfaces: [{ ...TAPWIRE, portRanges: [] }] },
    8,
    [`8 error: ${VM}: interface "default": KubeVirt 1.8 silently drops "portRanges": it came with 1.9`],
  ],
  [
    'a claimed device in a version of KubeVirt that does not have them yet',
    { networks: [{ name: 'default', resourceClaim: {} }] },
    8,
    [`9 error: ${VM}: network "default": KubeVirt 1.8 silently drops "resourceClaim": it came with 1.9`],
  ],
  [
    'unplugging a binding',
    { interfaces: [{ ...TAPWIRE, state: 'absent' }] },
    9,
    [
      `8 error: ${VM}: interface "default" cannot be unplugged, because KubeVirt unplugs only "bridge"; stop the VM and remove the interface`,
    ],
  ],
  [
    'unplugging next to a binding',
    { interfaces: [TAPWIRE, { ...BRIDGE, state: 'absent' }], networks: [POD, LAN] },
    9,
    [
      `8 warning: ${VM}: interface "lan": unplugging may fail, because interface "default" has binding "tapwire", and the controller that attaches networks to running pods cannot handle the NetworkAttachmentDefinition of a binding; restart the VM instead`,
    ],
  ],
  [
    'masquerade on another network than the pod network',
    { interfaces: [{ name: 'lan', masquerade: {} }], networks: [LAN] },
    9,
    [
      `8 error: ${VM}: interface "lan": "masquerade" serves only the pod network; use another binding for this network`,
    ],
  ],
  [
    'passtBinding on another network than the pod network',
    { interfaces: [{ name: 'lan', passtBinding: {} }], networks: [LAN] },
    9,
    [
      `8 error: ${VM}: interface "lan": "passtBinding" serves only the pod network; use another binding for this network`,
    ],
  ],
  [
    'an unknown state',
    { interfaces: [{ ...TAPWIRE, state: 'Down' }] },
    9,
    [`8 error: ${VM}: interface "default": state "Down" is rejected; want "up", "down" or "absent"`],
  ],
  [
    'a state of sriov',
    { interfaces: [TAPWIRE, { name: 'lan', sriov: {}, state: 'down' }], networks: [POD, LAN] },
    9,
    [`8 error: ${VM}: interface "lan": state "down" is not for sriov; remove it`],
  ],
  [
    'unplugging the primary network',
    { interfaces: [{ name: 'default', bridge: {}, state: 'absent' }] },
    9,
    [`8 error: ${VM}: interface "default" is on the primary network and cannot be unplugged; remove "state"`],
  ],
  ...['', 'Lan', 'vms/lan/x', 'vms/', '/lan', 'my lan'].map(
    (networkName) =>
      [
        `a network of "${networkName}"`,
        { interfaces: [{ ...BRIDGE }], networks: [{ ...LAN, multus: { networkName } }] },
        9,
        [
          `9 error: ${VM}: network "lan": networkName "${networkName}" is not a valid name; want "NAMESPACE/NAME" or "NAME"`,
        ],
      ] as const,
  ),
  [
    'a claimed device without names',
    { networks: [{ name: 'default', resourceClaim: {} }] },
    9,
    [
      `9 error: ${VM}: network "default": resourceClaim needs a claimName, got nothing`,
      `9 error: ${VM}: network "default": resourceClaim needs a requestName, got nothing`,
    ],
  ],
  [
    'a claimed device that is not in the VM',
    { networks: [{ name: 'default', resourceClaim: CLAIM }] },
    9,
    [`9 error: ${VM}: network "default": "c" is not in spec.resourceClaims; add it`],
  ],
  [
    'a claimed device next to a network of Multus, of a bridge, and twice',
    {
      interfaces: [{ name: 'a', bridge: {} }, { name: 'b', sriov: {} }, BRIDGE],
      networks: [{ name: 'a', resourceClaim: CLAIM }, { name: 'b', resourceClaim: CLAIM }, LAN],
      claim: 'c',
    },
    9,
    [
      `9 error: ${VM}: network "a": a resourceClaim is only for sriov and binding plugins, not for bridge`,
      `9 error: ${VM}: network "b": claim and request "c/r" appear twice; change one`,
      `9 error: ${VM}: network "lan": multus and resourceClaim cannot be combined in one VM; remove one`,
    ],
  ],
] as const) {
  test(`finds ${why}`, () => assert.equal(findingsOf(vm(parts), minor), findings));
}

test('finds the lines of a VM with a common layout', () => {
  const text = `apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: red
spec:
  template:
    spec:
      domain:
        devices:
          interfaces:
            - name: default
              masquerade: {}
            - name: lan
              bridge: {}
              binding:
                name: tapwire
      networks:
        - name: default
          pod: {}
        - name: wan
          multus: {networkName: wan}
`;
  assert.equal(
    findingsOf(text).map((finding) => finding.split(' ')[0]),
    ['13', '13', '20'],
  );
});

const spec = (name: string) => ({
  domain: { devices: { interfaces: [{ name, masquerade: {} }] } },
  networks: [{ name: 'default', pod: {} }],
});
for (const [kind, apiVersion, body] of [
  ['VirtualMachineInstance', 'kubevirt.io/v1', spec('x')],
  ['VirtualMachineInstanceReplicaSet', 'kubevirt.io/v1', { template: { spec: spec('x') } }],
  [
    'VirtualMachinePool',
    'pool.kubevirt.io/v1alpha1',
    { virtualMachineTemplate: { spec: { template: { spec: spec('x') } } } },
  ],
] as const) {
  test(`reads ${kind}`, () => {
    const findings = findingsOf(JSON.stringify({ apiVersion, kind, metadata: { name: 'a' }, spec: body }));
    assert.equal(
      findings.map((finding) => finding.slice(0, 60)),
      ['interface "x"', 'network "default"'].map((subject) =>
        `1 error: ${kind} "default/a": ${subject} has no `.slice(0, 60),
      ),
    );
  });
}

test.run();
