import { fullResourceName } from '../../shared/kubelet/device-id.ts';
import { BINDINGS, type BindingKind, type Form, fileOf } from '../bindings.ts';
import type { Manifest } from './yaml.ts';

/** A NetworkAttachmentDefinition, with the fields that Tapwire uses. */
interface Nad {
  readonly apiVersion: 'k8s.cni.cncf.io/v1';
  readonly kind: 'NetworkAttachmentDefinition';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly config: string };
}

/** CNI version of the NADs. All current versions of Multus and of container runtimes support it. */
const CNI_VERSION = '1.0.0';

/**
 * Creates a NAD whose network has the NAD's name.
 *
 * @param conf keys after `cniVersion` and `name`
 * @param resource of a device plugin, from which the pod needs a device
 */
export function nad(
  namespace: string,
  name: string,
  conf: Readonly<Record<string, unknown>>,
  resource: string | null = null,
): Nad {
  return {
    apiVersion: 'k8s.cni.cncf.io/v1',
    kind: 'NetworkAttachmentDefinition',
    metadata: {
      name,
      namespace,
      ...(resource === null ? {} : { annotations: { [RESOURCE_ANNOTATION]: resource } }),
    },
    spec: { config: `${JSON.stringify({ cniVersion: CNI_VERSION, name, ...conf }, null, 2)}\n` },
  };
}

/** Namespaces of NADs by form: those named in registrations, and those named in VMs' networks. */
export type Namespaces = Readonly<Record<Form, string>>;

/** The NAD of a binding: one manifest, or none if the binding needs no NAD. */
export function nadOf(kind: BindingKind, form: Form, namespaces: Namespaces): readonly Manifest[] {
  const { nad: ours, registeredAs } = BINDINGS[kind];
  if (ours === null) return [];
  const conf = { type: 'tapwire', ...ours.config };
  if (form === 'network') {
    const file = fileOf(kind, form, 'nad.yaml');
    if (kind === 'macvtap') {
      const document = nad(namespaces.network, ours.name, conf, MACVTAP_RESOURCE);
      return [{ file, about: OWN_MACVTAP, documents: [document] }];
    }
    if (!hasPodLink(kind)) return [];
    const { plugin, about } = POD_LINKS[kind];
    const document = nad(namespaces.network, networkOf(kind), { plugins: [plugin, conf] });
    return [{ file, about, documents: [document] }];
  }
  const about = [
    `The NetworkAttachmentDefinition that the registration of "${registeredAs}" names. If Multus isolates namespaces, create it`,
    'in "default" or in another of the "globalNamespaces", so that VMs of all namespaces can use it.',
  ];
  return [
    { file: fileOf(kind, form, 'nad.yaml'), about, documents: [nad(namespaces.binding, ours.name, conf)] },
  ];
}

/** Annotation with the resource from which a NAD's pods need a device (Multus). */
export const RESOURCE_ANNOTATION = 'k8s.v1.cni.cncf.io/resourceName';

/** Resource of the example network, as the comments tell the admin to offer it. */
export const MACVTAP_RESOURCE = fullResourceName('vm-lan');

const OWN_MACVTAP = [
  'A network of the nodes, on which Tapwire creates a macvtap for each VM. The agent offers the resource of the annotation if',
  '/etc/tapwire/node.json on the node names the lower device. Replace "bond0" by a link of your nodes. For a further network,',
  'give "vm-lan" another name there and in the annotation.',
  '  {"macvtap": {"resources": [{"name": "vm-lan", "lowerDevice": "bond0"}]}}',
  'The DaemonSet needs the component daemonset/manifests/macvtap. From KubeVirt 1.9 on, network-resources-injector must request',
  "the device for the VM: docs/macvtap.md. The network's DHCP server or router gives the guest its addresses.",
];

/** Name of the example network and of its NAD. */
export const NETWORK = 'tapwire-lan';

/** The same for a NAD that contains Tapwire, so that the NADs of several bindings can coexist. */
export function networkOf(kind: BindingKind): string {
  const { nad: ours } = BINDINGS[kind];
  if (kind === 'macvtap' && ours !== null) return ours.name;
  return kind === 'tap' ? NETWORK : `${NETWORK}-${kind}`;
}

/** Creates the pod link on a link of the nodes, with the macAddress of the VM if it has one. */
export const MACVLAN = { type: 'macvlan', master: 'bond0', mode: 'bridge', capabilities: { mac: true } };

const HOST_LOCAL = { type: 'host-local', ranges: [[{ subnet: '192.0.2.0/24' }]] };

/** Creates the pod link on a bridge of the nodes, and gives it an address. */
export const BRIDGE_WITH_ADDRESSES = {
  ...{ type: 'bridge', bridge: 'br-lan', capabilities: { mac: true } },
  ipam: { type: 'host-local', ranges: [[{ subnet: '192.0.2.0/24', gateway: '192.0.2.1' }]] },
};

/** What the admin must know of the addresses of that network. */
export const ON_RANGE = [
  'Replace "br-lan" by a bridge of your nodes, and edit the range. Each node gives out the addresses of host-local by itself: if the',
  'bridges of several nodes are one network, use an IPAM plugin such as "whereabouts", or two VMs get the same address.',
];

const WITH_ADDRESSES = [
  'A network of the nodes: "bridge" creates the pod link with an address of "host-local", then Tapwire wires it. The sidecar gives',
  'the guest this address by DHCP. No DHCP server or router of the network may serve it.',
  ...ON_RANGE,
];

/** Plugins that create the pod link of the example network, for the admin to edit. */
const POD_LINKS: Readonly<
  Record<
    'tap' | 'tap-mq' | 'tap-pod-ip' | 'tap-pod-ip-mq' | 'passt',
    { readonly plugin: object; readonly about: readonly string[] }
  >
> = {
  tap: {
    plugin: MACVLAN,
    about: [
      'A network of the nodes: macvlan creates the pod link, then Tapwire wires it. Replace "bond0" by a link of your nodes.',
      "The network's DHCP server or router gives the guest its addresses.",
    ],
  },
  'tap-mq': {
    plugin: { type: 'bridge', bridge: 'br-lan', capabilities: { mac: true } },
    about: [
      'A network of the nodes: "bridge" creates the pod link, then Tapwire wires it. Replace "br-lan" by a bridge of your nodes.',
      "The network's DHCP server or router gives the guest its addresses.",
    ],
  },
  'tap-pod-ip': { plugin: BRIDGE_WITH_ADDRESSES, about: WITH_ADDRESSES },
  'tap-pod-ip-mq': { plugin: BRIDGE_WITH_ADDRESSES, about: WITH_ADDRESSES },
  passt: {
    plugin: { type: 'ptp', ipMasq: true, ipam: HOST_LOCAL },
    about: [
      'A network: "ptp" creates the pod link, then Tapwire prepares it for passt. Edit the subnet. passt serves only the primary',
      'network, so VMs name this network with "default: true". An administrator must allow that on the nodes:',
      '{"passt": {"defaultNetwork": true}} in /etc/tapwire/node.json.',
    ],
  },
};

const hasPodLink = (kind: BindingKind): kind is keyof typeof POD_LINKS => Object.hasOwn(POD_LINKS, kind);
