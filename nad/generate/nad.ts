import { BINDINGS, type BindingKind, type Form, fileOf } from '../bindings.ts';
import type { Manifest } from './yaml.ts';

/** NPWG's NetworkAttachmentDefinition, as far as we fill it in. */
interface Nad {
  readonly apiVersion: 'k8s.cni.cncf.io/v1';
  readonly kind: 'NetworkAttachmentDefinition';
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly config: string };
}

/** Understood by every Multus and CRI of today. */
const CNI_VERSION = '1.0.0';

/** A NAD whose network has the NAD's name. @param conf the keys after `cniVersion` and `name` */
export function nad(namespace: string, name: string, conf: Readonly<Record<string, unknown>>): Nad {
  return {
    apiVersion: 'k8s.cni.cncf.io/v1',
    kind: 'NetworkAttachmentDefinition',
    metadata: { name, namespace },
    spec: { config: `${JSON.stringify({ cniVersion: CNI_VERSION, name, ...conf }, null, 2)}\n` },
  };
}

/** Namespaces of NADs that registrations name, and of those that VMs' networks do. */
export type Namespaces = Readonly<Record<Form, string>>;

/** The NAD that a binding is configured by: one manifest, or none where it needs no NAD. */
export function nadOf(kind: BindingKind, form: Form, namespaces: Namespaces): readonly Manifest[] {
  const { nad: ours, registeredAs } = BINDINGS[kind];
  if (ours === null) return [];
  const conf = { type: 'tapwire', ...ours.config };
  if (form === 'network') {
    if (!hasPodLink(kind)) return [];
    const { plugin, about } = POD_LINKS[kind];
    const document = nad(namespaces.network, NETWORK, { plugins: [plugin, conf] });
    return [{ file: fileOf(kind, form, 'nad.yaml'), about, documents: [document] }];
  }
  const about = [
    `The NetworkAttachmentDefinition that the registration of "${registeredAs}" names. It has to be in reach of every VM`,
    'that uses it: where Multus isolates namespaces, that is one in "default" or another of its "globalNamespaces".',
  ];
  return [
    { file: fileOf(kind, form, 'nad.yaml'), about, documents: [nad(namespaces.binding, ours.name, conf)] },
  ];
}

/** The name of the example network, and of its NAD. */
export const NETWORK = 'lan';

const HOST_LOCAL = { type: 'host-local', ranges: [[{ subnet: '192.0.2.0/24' }]] };

/** What makes the pod link of the example network, to be edited. */
const POD_LINKS: Readonly<
  Record<'tap' | 'tap-mq' | 'passt', { readonly plugin: object; readonly about: readonly string[] }>
> = {
  tap: {
    plugin: { type: 'macvlan', master: 'bond0', mode: 'bridge' },
    about: [
      'A network of the nodes, and Tapwire behind the plugin that makes the pod link. Edit that one: "bond0" is a link of the',
      "nodes. Addresses are the network's: its DHCP or router gives them to the guest.",
    ],
  },
  'tap-mq': {
    plugin: { type: 'bridge', bridge: 'br-lan', ipam: HOST_LOCAL },
    about: [
      'A network of the nodes, and Tapwire behind the plugin that makes the pod link. Edit that one: "br-lan" is a bridge of the',
      'nodes. Nobody tells the guest the address that host-local picks: take it from the pod, or leave "ipam" out.',
    ],
  },
  passt: {
    plugin: { type: 'ptp', ipMasq: true, ipam: HOST_LOCAL },
    about: [
      'A network, and Tapwire behind the plugin that makes the pod link. Edit that one: the subnet. passt serves a primary',
      'network alone, so a VM names this one with "default: true", and the nodes\' owner has to allow it:',
      '{"passt": {"defaultNetwork": true}} in /etc/tapwire/node.json.',
    ],
  },
};

const hasPodLink = (kind: BindingKind): kind is keyof typeof POD_LINKS => Object.hasOwn(POD_LINKS, kind);
