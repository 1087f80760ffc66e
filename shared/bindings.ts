/**
 * The bindings of Tapwire. A new binding starts with a row here; the compiler then names the tables
 * that lack it.
 */

interface Row {
  /** Whether the CNI plugin creates or changes something in the pod's netns for the binding. */
  readonly inNetns: boolean;
  /** Names under which the manifests register the binding with KubeVirt, by variant. */
  readonly registeredAs: Readonly<Record<string, string>>;
}

export const BINDINGS = {
  tap: {
    inNetns: true,
    registeredAs: {
      tap: 'tapwire',
      'tap-mq': 'tapwire-mq',
      'tap-pod-ip': 'tapwire-pod-ip',
      'tap-pod-ip-mq': 'tapwire-pod-ip-mq',
      'tap-secondary': 'tapwire-secondary',
      'tap-secondary-mq': 'tapwire-secondary-mq',
    },
  },
  macvtap: { inNetns: true, registeredAs: { macvtap: 'tapwire-macvtap' } },
  passt: { inNetns: true, registeredAs: { passt: 'tapwire-passt' } },
  slirp: { inNetns: false, registeredAs: { slirp: 'tapwire-slirp' } },
} as const satisfies Readonly<Record<string, Row>>;

type Rows = typeof BINDINGS;
export type Binding = keyof Rows;
/**
 * A binding that the CNI plugin implements. Network configurations and node policies can name it.
 */
export type CniBinding = { [B in Binding]: Rows[B]['inNetns'] extends true ? B : never }[Binding];
/** A binding as the command line names it: one registration each. */
export type Variant = { [B in Binding]: keyof Rows[B]['registeredAs'] }[Binding];

/** All bindings, in the order in which messages list them. */
export const BINDING_NAMES = Object.keys(BINDINGS) as readonly Binding[];
export const CNI_BINDINGS = BINDING_NAMES.filter((name): name is CniBinding => BINDINGS[name].inNetns);
/** Bindings whose image is a variant of its own, with the binding's name at the end of its tag. */
export const PINNED_BINDINGS = ['passt', 'slirp'] as const satisfies readonly Binding[];
export const REGISTERED_AS: Readonly<Record<Variant, string>> = Object.assign(
  {},
  ...BINDING_NAMES.map((name) => BINDINGS[name].registeredAs),
);

/**
 * Finds the kind that a registered name contains as one of its words, which are separated by "-".
 * The name `tapwire` without a kind means tap. Returns null if the name contains no kind, or
 * several.
 */
export function kindOfName(name: string): Binding | null {
  const words = name.split('-');
  const [kind, ...others] = BINDING_NAMES.filter((candidate) => words.includes(candidate));
  if (kind === undefined) return words.includes('tapwire') ? 'tap' : null;
  return others.length === 0 ? kind : null;
}
