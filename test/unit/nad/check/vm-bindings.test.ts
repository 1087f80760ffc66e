import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  findingsOf as allFindingsOf,
  kubevirt,
  nad,
  type VmParts,
  vm,
} from '../../../helpers/cluster/check.ts';

const MACVLAN_CHAIN = JSON.stringify({
  cniVersion: '1.0.0',
  name: 'lan',
  plugins: [{ type: 'macvlan', master: 'bond0' }],
});

const test = suite('tapwire check: bindings of VMs');

/** Findings without those about the registrations here, most of which come without their NADs. */
const findingsOf = (text: string) =>
  allFindingsOf(text).filter((finding) => !/^\d+ warning: binding ".*is not in these files/.test(finding));

const SUBJECT = 'VirtualMachine "vms/red": interface "default"';
const TAP = { networkAttachmentDefinition: 'default/tapwire-tap', domainAttachmentType: 'tap' };
const REGISTERED = kubevirt({
  tapwire: TAP,
  'tapwire-mq': { networkAttachmentDefinition: 'default/tapwire-tap-mq', domainAttachmentType: 'tap' },
  'tapwire-passt': { networkAttachmentDefinition: 'default/tapwire-passt', sidecarImage: 'i' },
});
const NADS =
  nad('tapwire-tap') +
  nad('tapwire-tap-mq', { multiQueue: true }) +
  nad('tapwire-passt', { binding: 'passt' });
const bound = (name: string, nic: object = {}) => ({
  interfaces: [{ name: 'default', binding: { name }, ...nic }],
});
const MANY = { devices: { networkInterfaceMultiqueue: true } };

const ON_TAP =
  'networkInterfaceMultiqueue) but its tap has one; use binding "tapwire-mq"; as it is, QEMU cannot open the tap and the VM does not boot';
const ON_MQ =
  'its tap takes several queues but the VM asks for one; use binding "tapwire", or set networkInterfaceMultiqueue with two or more vCPUs and model virtio; as it is, QEMU cannot open the tap and the VM does not boot';

/** Known about the bindings: everything, the registrations, or only their names. */
for (const [how, cluster] of [
  ['with NADs and registrations', NADS + REGISTERED],
  ['with only registrations', REGISTERED],
  ['by names only', ''],
] as const) {
  for (const [why, parts, want] of [
    ['one queue on tap', bound('tapwire'), []],
    ['many on tap-mq', { ...bound('tapwire-mq'), ...MANY }, []],
    [
      'many on tap',
      { ...bound('tapwire'), ...MANY },
      [`8 error: ${SUBJECT}: the VM asks for 2 queues (${ON_TAP}`],
    ],
    ['one on tap-mq', bound('tapwire-mq'), [`8 error: ${SUBJECT}: ${ON_MQ}`]],
    ['passt on the primary network', { ...bound('tapwire-passt'), ...MANY }, []],
    [
      'passt on a secondary network',
      { ...bound('tapwire-passt'), networks: [{ name: 'default', multus: { networkName: 'lan' } }] },
      [`8 error: ${SUBJECT}: passt serves only the primary network; use tap for this one`],
    ],
  ] as const) {
    test(`judges ${why}, ${how}`, () => assert.equal(findingsOf(vm(parts) + cluster), want));
  }
}

const queueCases: readonly (readonly [string, VmParts, number | null])[] = [
  ['its cores', { domain: { cpu: { cores: 3 } } }, 3],
  ['cores, sockets and threads', { domain: { cpu: { cores: 2, sockets: 3, threads: 2 } } }, 12],
  ['at most 256', { domain: { cpu: { cores: 300 } } }, 256],
  [
    'its CPU limit',
    { domain: { cpu: null, resources: { limits: { cpu: '3500m' }, requests: { cpu: 1 } } } },
    4,
  ],
  ['its CPU limit with an exponent', { domain: { cpu: null, resources: { limits: { cpu: '4e0' } } } }, 4],
  ['its CPU request', { domain: { cpu: null, resources: { requests: { cpu: 2 } } } }, 2],
  ['one core', { domain: { cpu: { cores: 1 } } }, null],
  ['nothing specified', { domain: { cpu: null } }, null],
  ['another model than virtio', bound('tapwire', { model: 'e1000e' }), null],
  ['model virtio', bound('tapwire', { model: 'virtio' }), 2],
];
for (const [why, parts, queues] of queueCases) {
  test(`networkInterfaceMultiqueue, ${why}: ${queues ?? 'one'}`, () => {
    const want = queues === null ? [] : [`8 error: ${SUBJECT}: the VM asks for ${queues} queues (${ON_TAP}`];
    assert.equal(findingsOf(vm({ ...bound('tapwire'), ...parts, ...MANY })), want);
  });
}

test('does not guess if an instancetype sets the vCPUs', () => {
  const text = vm({ ...bound('tapwire-mq'), ...MANY, domain: { cpu: null } }).replace(
    'spec:',
    'spec:\n  instancetype: {name: u1.medium}',
  );
  assert.equal(findingsOf(text), []);
});

test('warns if only the sidecar makes the domain fit the tap', () => {
  const registered = kubevirt({ tapwire: { ...TAP, sidecarImage: 'i' } });
  assert.equal(findingsOf(vm(MANY) + registered), [
    `8 warning: ${SUBJECT}: the VM asks for 2 queues (networkInterfaceMultiqueue) but its tap has one; use binding "tapwire-mq"; as it is, the VM boots only because the sidecar adapts its queues`,
  ]);
});

// NADs that namespaces can and cannot use

const needs = (reference: string) =>
  kubevirt({ tapwire: { ...TAP, networkAttachmentDefinition: reference } });
for (const [why, text, want] of [
  ['in "default", which all can use', vm() + needs('default/tapwire-tap') + NADS, []],
  ["in the VM's own", vm() + needs('vms/tapwire-tap') + nad('tapwire-tap', {}, 'vms'), []],
  ["named without one, in the VM's own", vm() + needs('tapwire-tap') + nad('tapwire-tap', {}, 'vms'), []],
  [
    'in another',
    vm() + needs('kubevirt/tapwire-tap') + nad('tapwire-tap', {}, 'kubevirt'),
    [
      `8 warning: ${SUBJECT}: NetworkAttachmentDefinition "kubevirt/tapwire-tap" is not available in namespace "vms" if Multus isolates namespaces; in that case, create it in "default" or add "kubevirt" to Multus' globalNamespaces`,
    ],
  ],
  [
    'named without one, in another',
    vm() + needs('tapwire-tap') + nad('tapwire-tap', {}, 'kubevirt'),
    [
      `8 error: ${SUBJECT}: NetworkAttachmentDefinition "tapwire-tap" does not exist in namespace "vms", only "kubevirt/tapwire-tap"; name it with its namespace, or create one in "vms"`,
    ],
  ],
  [
    'named with the wrong one',
    vm() + needs('vms/tapwire-tap') + NADS,
    [
      `8 error: ${SUBJECT}: NetworkAttachmentDefinition "vms/tapwire-tap" does not exist in namespace "vms", only "default/tapwire-tap"; name it with its namespace, or create one in "vms"`,
    ],
  ],
] as const) {
  test(`judges a NAD of the binding whose namespace is ${why}`, () => assert.equal(findingsOf(text), want));
}

const lan = (networkName: string, binding = 'other') => ({
  ...bound(binding),
  networks: [{ name: 'default', multus: { networkName } }],
});
test("looks for the NAD of a network in the VM's namespace", () => {
  const bridge = { type: 'bridge' };
  assert.equal(findingsOf(vm(lan('lan')) + nad('lan', bridge, 'vms')), []);
  assert.equal(findingsOf(vm(lan('lan')) + nad('lan', bridge, 'default')), [
    '9 error: VirtualMachine "vms/red": network "default": NetworkAttachmentDefinition "lan" does not exist in namespace "vms", only "default/lan"; name it with its namespace, or create one in "vms"',
  ]);
});

test('reports a network whose NAD runs only Tapwire', () => {
  const withoutNad = kubevirt({ tapwire: { domainAttachmentType: 'tap' } });
  assert.equal(findingsOf(vm(lan('default/tapwire-tap', 'tapwire')) + NADS + withoutNad), [
    `8 error: ${SUBJECT}: its network "default/tapwire-tap" runs only Tapwire, so no plugin creates the link to wire; put Tapwire after a plugin that creates it, or name that NetworkAttachmentDefinition in the registration`,
  ]);
});

test('reports Tapwire in both the network and the binding', () => {
  const network = nad('lan', { plugins: [{ type: 'ovs' }, { type: 'tapwire' }], type: undefined }, 'vms');
  assert.equal(findingsOf(vm(lan('lan', 'tapwire')) + network + REGISTERED), [
    `8 error: ${SUBJECT}: both its binding and its network "lan" run Tapwire, and the second call fails; remove it from one of the NetworkAttachmentDefinitions`,
  ]);
  const withoutNad = kubevirt({ tapwire: { domainAttachmentType: 'tap' } });
  assert.equal(findingsOf(vm(lan('lan', 'tapwire')) + network + withoutNad), []);
  assert.equal(findingsOf(vm({ ...lan('lan', 'tapwire'), ...MANY }) + network + withoutNad), [
    `8 error: ${SUBJECT}: the VM asks for 2 queues (${ON_TAP}`,
  ]);
});

// A network that runs Tapwire, and an interface on it with another binding.

const NETWORK_NADS =
  nad('lan', { plugins: [{ type: 'macvlan' }, { type: 'tapwire' }], type: undefined }, 'vms') +
  nad(
    'masked',
    { plugins: [{ type: 'macvlan' }, { type: 'tapwire', binding: 'passt' }], type: undefined },
    'vms',
  ) +
  nad('plain', { type: 'macvlan' }, 'vms');
const OTHERS = kubevirt({
  tap: { domainAttachmentType: 'tap' },
  sidecar: { sidecarImage: 'i' },
  both: { domainAttachmentType: 'tap', sidecarImage: 'i' },
  managed: { domainAttachmentType: 'managedTap' },
  nothing: {},
  empty: { domainAttachmentType: '', sidecarImage: '' },
});
const ON_A_TAP = 'use a binding with domainAttachmentType "tap", or a network without Tapwire';
const ON_PASST =
  'use a binding with sidecarImage and without domainAttachmentType, or a network without Tapwire';
const binding = (name: string) => ({ binding: { name } });
for (const [method, networkName, finding] of [
  [binding('tap'), 'lan', null],
  [binding('both'), 'lan', null],
  [binding('sidecar'), 'lan', null],
  [binding('unheard-of'), 'plain', null],
  [binding('managed'), 'plain', null],
  [binding('nothing'), 'plain', null],
  [{ bridge: {} }, 'plain', null],
  [{ sriov: {} }, 'plain', null],
  [{ bridge: {} }, 'not-in-these-files', null],
  [
    binding('managed'),
    'lan',
    `and binding "managed" ("managedTap") makes KubeVirt take the same pod link, so the VM has no network; ${ON_A_TAP}`,
  ],
  [binding('nothing'), 'lan', `and binding "nothing" gives the VM no NIC on the tap; ${ON_A_TAP}`],
  [binding('empty'), 'lan', `and binding "empty" gives the VM no NIC on the tap; ${ON_A_TAP}`],
  [{ bridge: {} }, 'lan', `and KubeVirt wires "bridge" itself, so the VM has no network; ${ON_A_TAP}`],
  [{ sriov: {} }, 'vms/lan', `and KubeVirt wires "sriov" itself, so the VM has no network; ${ON_A_TAP}`],
  [{ bridge: {} }, 'masked', `and KubeVirt wires "bridge" itself, so the VM has no network; ${ON_PASST}`],
  [
    binding('nothing'),
    'masked',
    `and binding "nothing" has no sidecar to create the NIC for passt; ${ON_PASST}`,
  ],
  [
    binding('both'),
    'masked',
    `and binding "both" makes KubeVirt look for a tap, but passt has none; ${ON_PASST}`,
  ],
] as const) {
  test(`judges ${JSON.stringify(method)} on network "${networkName}"`, () => {
    const one = { name: 'lan', ...method };
    const parts = { interfaces: [one], networks: [{ name: 'lan', multus: { networkName, default: true } }] };
    const found = findingsOf(vm(parts) + NETWORK_NADS + OTHERS).filter(
      (text) => !text.includes('is not registered with'),
    );
    const subject = 'VirtualMachine "vms/red": interface "lan"';
    assert.equal(
      found,
      finding === null ? [] : [`8 error: ${subject}: its network "${networkName}" runs Tapwire, ${finding}`],
    );
  });
}

test('reports two mistakes for masquerade on a network that runs Tapwire', () => {
  const parts = {
    interfaces: [{ name: 'lan', masquerade: {} }],
    networks: [{ name: 'lan', multus: { networkName: 'lan' } }],
  };
  assert.equal(findingsOf(vm(parts) + NETWORK_NADS).length, 2);
});

test('lists at most twenty names', () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`b${i}`, {}]));
  const [finding = ''] = findingsOf(vm() + kubevirt(many));
  assert.match(finding, /registered: "b0", .*, "b19", and 10 more$/);
});

const MISSPELT = 'VirtualMachine "vms/red": network "lan": NetworkAttachmentDefinition';
const onNetwork = (networkName: string) =>
  vm({ interfaces: [{ name: 'lan', bridge: {} }], networks: [{ name: 'lan', multus: { networkName } }] });

test('warns of a network whose NAD is not in the input, if one of almost that name is', () => {
  const lan = nad('lan', MACVLAN_CHAIN, 'vms');
  for (const name of ['lna', 'lann', 'vms/lna']) {
    const full = `vms/${name.replace('vms/', '')}`;
    assert.equal(findingsOf(lan + onNetwork(name)), [
      `14 warning: ${MISSPELT} "${full}" is not in the input, which has "vms/lan"; check the spelling`,
    ]);
  }
});

test('accepts networks whose NADs may be in the cluster', () => {
  const some = nad('lan', MACVLAN_CHAIN, 'vms') + nad('vlan100', MACVLAN_CHAIN, 'vms');
  for (const name of ['storage', 'default/lna']) assert.equal(findingsOf(some + onNetwork(name)), []);
});

test('advises a look at a name that differs in digits only', () => {
  for (const name of ['vlan101', 'vlan10', 'vms/vlan1000']) {
    const full = `vms/${name.replace('vms/', '')}`;
    assert.equal(findingsOf(nad('vlan100', MACVLAN_CHAIN, 'vms') + onNetwork(name)), [
      `14 advice: ${MISSPELT} "${full}" is not in the input, which has "vms/vlan100"; check the number`,
    ]);
  }
});

test('warns of a binding named as its NAD is, or its kind on the command line', () => {
  for (const [name, meant] of [
    ['tapwire-tap', 'tapwire'],
    ['tap-secondary', 'tapwire-secondary'],
    ['tap-secondary-mq', 'tapwire-secondary-mq'],
    ['tapwire-tap-mq', 'tapwire-mq'],
  ]) {
    assert.equal(findingsOf(vm({ interfaces: [{ name: 'default', binding: { name } }] })), [
      `8 warning: ${SUBJECT}: binding "${name}" is not "${meant}"; check the spelling`,
    ]);
  }
  for (const name of ['macvtap', 'passt', 'tap'])
    assert.equal(findingsOf(vm({ interfaces: [{ name: 'default', binding: { name } }] })), []);
});

test.run();
