import { REGISTERED_AS, type Variant } from '../shared/bindings.ts';
import type { Minor, Plugin } from './kubevirt-versions.ts';

/** What the command line calls a binding. */
export type BindingKind = Variant;
export const BINDING_KINDS = Object.keys(REGISTERED_AS) as readonly BindingKind[];

/** Where the NAD is named: in the registration of the binding, or in each VM's network. */
export const FORMS = ['binding', 'network'] as const;
export type Form = (typeof FORMS)[number];

export interface BindingManifests {
  /**
   * The name that VMs give, and that the sidecar knows on a KubeVirt that does not tell it (before
   * 1.9).
   */
  readonly registeredAs: string;
  /** Prefix of the paths of its files, relative to nad/. */
  readonly files: string;
  /**
   * Where its NAD can be named; the first is the default. The bindings for secondary networks lack
   * `network`: a network's own NAD always wires its own link. `macvtap` lacks `binding`: it creates
   * the link of a network.
   */
  readonly forms: readonly [Form, ...Form[]];
  /**
   * Its NetworkAttachmentDefinition: the name, and the plugin's keys next to `type`. Null if the
   * binding needs no NAD.
   */
  readonly nad: { readonly name: string; readonly config: Readonly<Record<string, unknown>> } | null;
  /**
   * Registration fields for every KubeVirt version. Without `domainAttachmentType`, a sidecar
   * creates the domain's NIC.
   */
  readonly plugin: Plugin;
  /** Registration fields that exist since a KubeVirt minor version. */
  readonly since: readonly (readonly [Minor, Plugin])[];
}

/**
 * The guest has what belongs to its pod. After a migration, a link flap makes it ask for its new
 * address.
 */
const REFRESH: readonly [Minor, Plugin] = [2, { migration: { method: 'link-refresh' } }];

export const BINDINGS: Readonly<Record<BindingKind, BindingManifests>> = {
  tap: {
    registeredAs: REGISTERED_AS.tap,
    files: 'tap/',
    forms: FORMS,
    nad: { name: 'tapwire-tap', config: {} },
    plugin: { domainAttachmentType: 'tap' },
    since: [],
  },
  'tap-mq': {
    registeredAs: REGISTERED_AS['tap-mq'],
    files: 'tap-mq/',
    forms: FORMS,
    nad: { name: 'tapwire-tap-mq', config: { multiQueue: true } },
    plugin: { domainAttachmentType: 'tap' },
    since: [],
  },
  'tap-pod-ip': {
    registeredAs: REGISTERED_AS['tap-pod-ip'],
    files: 'tap-pod-ip/',
    forms: FORMS,
    nad: { name: 'tapwire-pod-ip', config: { guestAddresses: 'pod' } },
    plugin: { domainAttachmentType: 'tap' },
    since: [REFRESH],
  },
  'tap-pod-ip-mq': {
    registeredAs: REGISTERED_AS['tap-pod-ip-mq'],
    files: 'tap-pod-ip-mq/',
    forms: FORMS,
    nad: { name: 'tapwire-pod-ip-mq', config: { guestAddresses: 'pod', multiQueue: true } },
    plugin: { domainAttachmentType: 'tap' },
    since: [REFRESH],
  },
  'tap-secondary': {
    registeredAs: REGISTERED_AS['tap-secondary'],
    files: 'tap/secondary-',
    forms: ['binding'],
    nad: { name: 'tapwire-secondary', config: { network: 'secondary' } },
    plugin: { domainAttachmentType: 'tap' },
    since: [],
  },
  'tap-secondary-mq': {
    registeredAs: REGISTERED_AS['tap-secondary-mq'],
    files: 'tap-mq/secondary-',
    forms: ['binding'],
    nad: { name: 'tapwire-secondary-mq', config: { network: 'secondary', multiQueue: true } },
    plugin: { domainAttachmentType: 'tap' },
    since: [],
  },
  macvtap: {
    registeredAs: REGISTERED_AS.macvtap,
    files: 'macvtap/',
    forms: ['network'],
    nad: { name: 'tapwire-lan-macvtap', config: { binding: 'macvtap' } },
    plugin: { domainAttachmentType: 'tap' },
    since: [],
  },
  passt: {
    registeredAs: REGISTERED_AS.passt,
    files: 'passt/',
    forms: FORMS,
    nad: { name: 'tapwire-passt', config: { binding: 'passt' } },
    plugin: {},
    since: [
      REFRESH,
      // passt runs in the VM's own container.
      [3, { computeResourceOverhead: { requests: { memory: '500Mi' } } }],
    ],
  },
  slirp: {
    registeredAs: REGISTERED_AS.slirp,
    files: 'slirp/',
    forms: ['binding'],
    nad: null,
    plugin: {},
    since: [],
  },
};

/** Whether only a sidecar creates the guest's NIC, or tells the guest its addresses. */
export const needsSidecar = (binding: BindingManifests): boolean =>
  binding.plugin.domainAttachmentType === undefined || servesGuest(binding);

/** Whether the guest gets the addresses of its pod, from the sidecar. */
export const servesGuest = ({ nad }: BindingManifests): boolean => nad?.config['guestAddresses'] === 'pod';

/** Whether it never wires a primary network. */
export const isForSecondaryOnly = ({ nad }: BindingManifests): boolean =>
  nad?.config['network'] === 'secondary';

/** Whether a registration can name its NAD. */
export const isForRegistration = ({ forms }: BindingManifests): boolean => forms.includes('binding');

/**
 * Whether the admin says what KubeVirt is told of live migration: only the primary network keeps a
 * VM where it is.
 */
export const hasChoiceOfMigration = (binding: BindingManifests): boolean =>
  binding.plugin.domainAttachmentType === 'tap' && isForRegistration(binding) && !isForSecondaryOnly(binding);

/** Path of a binding's file, relative to nad/. A binding with one form has one directory. */
export const fileOf = (kind: BindingKind, form: Form, name: string): string =>
  `${BINDINGS[kind].files}${form === BINDINGS[kind].forms[0] ? '' : 'network/'}${name}`;
