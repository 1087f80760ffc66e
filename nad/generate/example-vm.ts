import { BINDINGS, type BindingKind, type Form, fileOf } from '../bindings.ts';
import { type ExampleFile, FIRST_NIC, MAC, OWN_MAC, onPod, twoNics } from './example-nics.ts';
import { MACVLAN, MACVTAP_RESOURCE, NETWORK, nad, networkOf } from './nad.ts';
import { POD_IP_EXAMPLES } from './pod-ip-examples.ts';
import { type Nic, vm } from './vm.ts';
import type { Manifest } from './yaml.ts';

/** Example VMs of a binding: one manifest for each VM. */
export function exampleVms(kind: BindingKind, form: Form, namespace: string): readonly Manifest[] {
  const examples = form === 'binding' ? EXAMPLES[kind] : networkExamples(kind);
  return examples.map(({ file, about, others = [], ...example }) => ({
    file,
    about,
    documents: [...others.map((other) => other(namespace)), vm(namespace, example)],
  }));
}

/** A second NIC on a network that this manifest has, too. */
const onLan = (kind: BindingKind): Pick<ExampleFile, 'nics' | 'ethernets' | 'others'> => ({
  ...twoNics(kind, NETWORK, MAC),
  others: [(namespace) => nad(namespace, NETWORK, MACVLAN)],
});

const EXAMPLES: Readonly<Record<BindingKind, readonly ExampleFile[]>> = {
  tap: [
    {
      file: 'tap/vm-primary.yaml',
      about: [
        "A VM on the pod's own network. The network gives the guest its address, so use this on networks with DHCP",
        '(OVN-Kubernetes, Kube-OVN), or set a static address in "networkData".',
      ],
      name: 'tapwire-primary',
      nics: [onPod('tap')],
    },
    {
      file: 'tap/vm-dual-stack.yaml',
      about: [
        "A VM with IPv4 and IPv6 on the pod's own network. The cluster network provides both: the IPv4 address by DHCP, and",
        'the IPv6 address and route by router advertisements, which say whether to use DHCPv6. Kube-OVN needs "enableDHCP"',
        'and "enableIPv6RA" on the subnet; OVN-Kubernetes does both on a primary layer 2 network.',
      ],
      name: 'tapwire-dual-stack',
      nics: [onPod('tap')],
      ethernets: { [FIRST_NIC]: { dhcp4: true, dhcp6: true } },
    },
  ],
  'tap-mq': [
    {
      file: 'tap-mq/vm-multi-queue.yaml',
      about: [
        'A VM whose NIC has one queue for each vCPU. It needs "networkInterfaceMultiqueue", two or more vCPUs and the binding',
        `"${BINDINGS['tap-mq'].registeredAs}". With the binding "${BINDINGS.tap.registeredAs}" it does not boot; nor does a VM with one queue on "${BINDINGS['tap-mq'].registeredAs}".`,
      ],
      name: 'tapwire-multi-queue',
      nics: [onPod('tap-mq')],
      vcpus: 4,
      multiQueue: true,
    },
  ],
  ...POD_IP_EXAMPLES,
  'tap-secondary': [
    {
      file: 'tap/vm-secondary.yaml',
      about: [
        'A VM with a second NIC on a network of the nodes, and this network: macvlan creates the pod link on "bond0", a link of',
        "the nodes, and Tapwire wires it. The network's DHCP server or router gives the guest its addresses.",
        OWN_MAC,
      ],
      name: 'tapwire-secondary',
      ...onLan('tap-secondary'),
    },
  ],
  'tap-secondary-mq': [
    {
      file: 'tap-mq/vm-secondary.yaml',
      about: [
        'A VM whose second NIC has one queue for each vCPU, and its network: macvlan on "bond0", a link of the nodes.',
        'The binding needs "networkInterfaceMultiqueue" and two or more vCPUs.',
        OWN_MAC,
      ],
      name: 'tapwire-secondary-multi-queue',
      ...onLan('tap-secondary-mq'),
      vcpus: 4,
      multiQueue: true,
    },
  ],
  macvtap: [],
  passt: [
    {
      file: 'passt/vm-primary.yaml',
      about: [
        "A VM that uses sockets of the pod, on any pod network. passt gives the guest the pod's addresses by DHCP, DHCPv6 and",
        'router advertisements. All ports of the pod lead to the guest; to limit them, add "ports" to the interface.',
      ],
      name: 'tapwire-passt',
      nics: [onPod('passt')],
    },
  ],
  slirp: [
    {
      file: 'slirp/vm-primary.yaml',
      about: [
        "A VM that needs only outgoing connections. QEMU's own DHCP gives it 10.0.2.15. Only the listed ports lead to the guest.",
      ],
      name: 'tapwire-slirp',
      nics: [{ ...onPod('slirp'), interface: { ...onPod('slirp').interface, ports: [{ port: 22 }] } }],
    },
  ],
};

const JUMBO = `${networkOf('macvtap')}-jumbo`;

const MACVTAP_EXAMPLES: readonly ExampleFile[] = [
  {
    file: fileOf('macvtap', 'network', 'vm.yaml'),
    about: [
      `A VM with a NIC on the pod network and another on the macvtap network "${networkOf('macvtap')}", whose NAD must be in the`,
      'namespace of the VM. The second NIC keeps its MAC over restarts and migrations, because it depends on the names of the VM',
      'and the network; "macAddress" sets another.',
    ],
    name: 'tapwire-macvtap',
    ...twoNics('macvtap', networkOf('macvtap')),
  },
  {
    file: fileOf('macvtap', 'network', 'vm-multi-queue.yaml'),
    about: [
      'A VM whose second NIC has a queue for each vCPU and an MTU of 9000, and its network. The lower device must have this MTU,',
      'or a larger one.',
    ],
    name: 'tapwire-macvtap-multi-queue',
    ...twoNics('macvtap', JUMBO),
    vcpus: 2,
    multiQueue: true,
    others: [
      (namespace) =>
        nad(
          namespace,
          JUMBO,
          { type: 'tapwire', ...BINDINGS.macvtap.nad?.config, mtu: 9000, queues: 2 },
          MACVTAP_RESOURCE,
        ),
    ],
  },
];

/** The pod's own network, named by the VM. */
function primaryOn(kind: BindingKind, name: string): Nic {
  const multus = { networkName: name, default: true };
  return { network: { name, multus }, interface: onPod(kind).interface };
}

function networkExamples(kind: BindingKind): readonly ExampleFile[] {
  if (!BINDINGS[kind].forms.includes('network')) return [];
  if (kind === 'macvtap') return MACVTAP_EXAMPLES;
  const name = networkOf(kind);
  return [
    {
      file: fileOf(kind, 'network', 'vm.yaml'),
      about: [
        `A VM on the network "${name}", whose NAD is in the VM's namespace. For a NAD in another namespace, write`,
        `"networkName: NAMESPACE/${name}". If Multus isolates namespaces, that must be "default" or one of its "globalNamespaces".`,
        ...(kind === 'passt' ? [] : [OWN_MAC]),
      ],
      name: `tapwire-${kind}-network`,
      ...(kind === 'passt' ? { nics: [primaryOn(kind, name)] } : twoNics(kind, name, MAC)),
      ...(BINDINGS[kind].nad?.config['multiQueue'] ? { vcpus: 4, multiQueue: true } : {}),
    },
  ];
}
