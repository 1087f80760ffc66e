import type { Minor, Plugin } from './kubevirt-versions.ts';

/** Names of the bindings on the command line. */
export const BINDING_KINDS = [
  'tap',
  'tap-mq',
  'tap-secondary',
  'tap-secondary-mq',
  'passt',
  'slirp',
] as const;
export type BindingKind = (typeof BINDING_KINDS)[number];

/** Where the NAD is named: in the registration of the binding, or in each VM's network. */
export const FORMS = ['binding', 'network'] as const;
export type Form = (typeof FORMS)[number];

export interface Binding {
  /** Name in the VM's spec. Before KubeVirt 1.9, which tells the sidecar its name, the sidecar knows these names by heart. */
  readonly registeredAs: string;
  /** Prefix of the paths of its files, relative to nad/. */
  readonly files: string;
  /** Where its NAD can be named. The bindings for secondary networks lack `network`: a network's own NAD always wires its own link. */
  readonly forms: readonly Form[];
  /** Its NetworkAttachmentDefinition: the name, and the plugin's keys next to `type`. Null if the binding needs no NAD. */
  readonly nad: { readonly name: string; readonly config: Readonly<Record<string, unknown>> } | null;
  /** Registration fields for every KubeVirt version. Without `domainAttachmentType`, a sidecar creates the domain's NIC. */
  readonly plugin: Plugin;
  /** Registration fields that exist since a KubeVirt minor version. */
  readonly since: readonly (readonly [Minor, Plugin])[];
}

/** One row for each binding. */
export const BINDINGS: Readonly<Record<BindingKind, Binding>> = {
  tap: {
    registeredAs: 'tapwire',
    files: 'tap/',
    forms: FORMS,
    nad: { name: 'tapwire-tap', config: {} },
    plugin: { domainAttachmentType: 'tap' },
    since: [],
  },
  'tap-mq': {
    registeredAs: 'tapwire-mq',
    files: 'tap-mq/',
    forms: FORMS,
    nad: { name: 'tapwire-tap-mq', config: { multiQueue: true } },
    plugin: { domainAttachmentType: 'tap' },
    since: [],
  },
  'tap-secondary': {
    registeredAs: 'tapwire-secondary',
    files: 'tap/secondary-',
    forms: ['binding'],
    nad: { name: 'tapwire-secondary', config: { network: 'secondary' } },
    plugin: { domainAttachmentType: 'tap' },
    since: [],
  },
  'tap-secondary-mq': {
    registeredAs: 'tapwire-secondary-mq',
    files: 'tap-mq/secondary-',
    forms: ['binding'],
    nad: { name: 'tapwire-secondary-mq', config: { network: 'secondary', multiQueue: true } },
    plugin: { domainAttachmentType: 'tap' },
    since: [],
  },
  passt: {
    registeredAs: 'tapwire-passt',
    files: 'passt/',
    forms: FORMS,
    nad: { name: 'tapwire-passt', config: { binding: 'passt' } },
    plugin: {},
    since: [
      // The guest is behind NAT. After a migration, a link flap makes it ask for its new address.
      [2, { migration: { method: 'link-refresh' } }],
      // passt runs in the VM's own container.
      [3, { computeResourceOverhead: { requests: { memory: '500Mi' } } }],
    ],
  },
  slirp: {
    registeredAs: 'tapwire-slirp',
    files: 'slirp/',
    forms: ['binding'],
    nad: null,
    plugin: {},
    since: [],
  },
};

export const needsSidecar = ({ plugin }: Binding): boolean => plugin.domainAttachmentType === undefined;

/** Whether the binding rejects primary networks. */
export const isForSecondaryOnly = ({ nad }: Binding): boolean => nad?.config['network'] === 'secondary';

/** Whether the admin chooses the `migration` field. KubeVirt asks only the binding of the primary network whether a VM can migrate. */
export const hasChoiceOfMigration = (binding: Binding): boolean =>
  binding.plugin.domainAttachmentType === 'tap' && !isForSecondaryOnly(binding);

/** Path of a binding's file, relative to nad/. */
export const fileOf = (kind: BindingKind, form: Form, name: string): string =>
  `${BINDINGS[kind].files}${form === 'network' ? 'network/' : ''}${name}`;
