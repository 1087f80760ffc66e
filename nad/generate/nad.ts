import { BINDINGS, type BindingKind } from '../bindings.ts';
import type { Manifest } from './manifest.ts';

/** NPWG's NetworkAttachmentDefinition, as far as we fill it in. */
export interface Nad {
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

/** The NAD that a registration names; null where the binding needs none. */
export function bindingNad(kind: BindingKind, namespace: string): Manifest | null {
  const made = BINDINGS[kind].nad;
  if (made === null) return null;
  return {
    file: `${kind}/nad.yaml`,
    about: [
      `The NetworkAttachmentDefinition that the registration of "${BINDINGS[kind].registeredAs}" names.`,
      'It has to be within reach of every VM that uses it: where Multus isolates namespaces, only',
      'the namespace "default" and those of its "globalNamespaces" are.',
    ],
    documents: [nad(namespace, made.name, { type: 'tapwire', ...made.config })],
  };
}

/** What makes the pod link of the example network, by binding: to be edited. */
const POD_LINK_MAKERS: Readonly<
  Record<BindingKind, { readonly plugin: object; readonly edit: string } | null>
> = {
  tap: {
    plugin: { type: 'macvlan', master: 'bond0', mode: 'bridge' },
    edit: '"bond0" is a link of the nodes',
  },
  'tap-mq': {
    plugin: {
      type: 'bridge',
      bridge: 'br-lan',
      ipam: { type: 'host-local', ranges: [[{ subnet: '192.0.2.0/24' }]] },
    },
    edit: '"br-lan" is a bridge of the nodes, and the guest has to be told the address that host-local picks',
  },
  passt: {
    plugin: {
      type: 'ptp',
      ipMasq: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '192.0.2.0/24' }]] },
    },
    edit: "the subnet is the VMs' alone",
  },
  slirp: null,
};

/** The name of the example network, and of its NAD. */
export const NETWORK = 'lan';

/** An example of a NAD that a VM's network names: the plugin that makes the pod link, and ours behind it. */
export function networkNad(kind: BindingKind, namespace: string): Manifest | null {
  const [maker, ours] = [POD_LINK_MAKERS[kind], BINDINGS[kind].nad];
  if (maker === null || ours === null) return null;
  const plugins = [maker.plugin, { type: 'tapwire', ...ours.config }];
  return {
    file: `${kind}/network/nad.yaml`,
    about: [
      'A network with our plugin behind the one that makes the pod link. Edit the first of the two:',
      `${maker.edit}.`,
      ...(kind === 'passt' ? PASST_NETWORK : []),
    ],
    documents: [nad(namespace, NETWORK, { plugins })],
  };
}

const PASST_NETWORK = [
  'passt serves a VM\'s primary network alone, so a VM names this one with "default: true". The nodes\'',
  'owner has to allow it: {"passt": {"defaultNetwork": true}} in /etc/tapwire/node.json.',
];
