import type { Minor, Plugin } from './kubevirt-versions.ts';

/** What the command line calls a binding. */
export const BINDING_KINDS = [
  'tap',
  'tap-mq',
  'tap-secondary',
  'tap-secondary-mq',
  'passt',
  'slirp',
] as const;
export type BindingKind = (typeof BINDING_KINDS)[number];

/** Who names the NAD: the registration, or each VM's network. */
export const FORMS = ['binding', 'network'] as const;
export type Form = (typeof FORMS)[number];

export interface Binding {
  /** The name that VMs give, and that the sidecar knows on a KubeVirt that does not tell it (before 1.9). */
  readonly registeredAs: string;
  /** What the path of each of its files in nad/ begins with. */
  readonly files: string;
  /** Who can name its NAD. A network's own NAD has a link by its name, so that none is for secondary networks alone. */
  readonly forms: readonly Form[];
  /** Its NetworkAttachmentDefinition: the name, and what our plugin's configuration has beside `type`; null: needs none. */
  readonly nad: { readonly name: string; readonly config: Readonly<Record<string, unknown>> } | null;
  /** What a registration has in any case. A sidecar makes the domain's NIC where there is no `domainAttachmentType`. */
  readonly plugin: Plugin;
  /** What it has from some KubeVirt on. */
  readonly since: readonly (readonly [Minor, Plugin])[];
}

/** A binding to come, `macvtap`, is a row here. */
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
      // The guest is behind NAT: after a migration it asks for its address again, as it does when a cable is plugged in.
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

/** Whether it never wires a primary network. */
export const isForSecondaryOnly = ({ nad }: Binding): boolean => nad?.config['network'] === 'secondary';

/** Whether the admin says what KubeVirt is told of live migration: only the primary network keeps a VM where it is. */
export const hasChoiceOfMigration = (binding: Binding): boolean =>
  binding.plugin.domainAttachmentType === 'tap' && !isForSecondaryOnly(binding);

/** The path of one of its files below nad/. */
export const fileOf = (kind: BindingKind, form: Form, name: string): string =>
  `${BINDINGS[kind].files}${form === 'network' ? 'network/' : ''}${name}`;
