import { CNI_BINDINGS, type CniBinding } from '../../shared/bindings.ts';
import {
  array,
  boolean,
  type Decoder,
  fields,
  mismatch,
  object,
  optional,
  string,
} from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';
import type { AttachmentKey } from '../../shared/record.ts';
import type { NetConf } from '../request/config.ts';

/** What the administrator allows configurations, which tenants may write, to ask for. */
export type NodePolicy = Readonly<Record<CniBinding, BindingPolicy>>;

interface BindingPolicy {
  /** Namespaces whose pods may be wired; null: all. */
  readonly namespaces: readonly string[] | null;
  /** Whether a pod's `eth0` may be wired as a network, outside of a KubeVirt binding. */
  readonly defaultNetwork: boolean;
}

/**
 * Without a file, a pod may get what is its own: raw frames of its link, its ports and pings. A
 * default network concerns every pod.
 */
const NO_FILE: BindingPolicy = { namespaces: null, defaultNetwork: false };

/** The same value for every binding. */
const forEachBinding = <T>(value: T): Readonly<Record<CniBinding, T>> =>
  Object.fromEntries(CNI_BINDINGS.map((binding) => [binding, value])) as Record<CniBinding, T>;

export const DEFAULT_POLICY: NodePolicy = forEachBinding(NO_FILE);

/** What the binding would do to every pod of a default network. */
const HARM = {
  tap: 'it would take eth0 away from every pod on this network',
  passt: 'every program in the pods of this network could bind privileged ports',
} as const satisfies Record<CniBinding, string>;

export const NODE_FILE = '/etc/tapwire/node.json';

/**
 * Decodes fields and rejects unknown ones: a typo in a policy must not allow what it should deny.
 */
const strictFields =
  <T>(shape: { readonly [K in keyof T]: Decoder<T[K]> }): Decoder<T> =>
  (value, path) => {
    const stray = Object.keys(object(value, path)).find((key) => !Object.hasOwn(shape, key));
    if (stray !== undefined) throw mismatch(path, `only the keys ${Object.keys(shape).join(', ')}`, stray);
    return fields(shape)(value, path);
  };

const decodeBindingPolicy = strictFields<BindingPolicy>({
  namespaces: optional(array(string), null),
  defaultNetwork: optional(boolean, false),
});

/** @throws {BindingError} INVALID_CONFIG with the JSON path */
export const decodeNodePolicy = strictFields<NodePolicy>(
  forEachBinding(optional(decodeBindingPolicy, NO_FILE)),
);

/**
 * Requires that the policy allows what the configuration asks for.
 *
 * @param podNamespace of the pod; null if the runtime did not pass it
 * @throws {BindingError} NOT_ALLOWED
 */
export function requireAllowed(
  { binding }: NetConf,
  { ifname }: AttachmentKey,
  podNamespace: string | null,
  policy: NodePolicy,
): void {
  const { namespaces, defaultNetwork } = policy[binding];
  // The author of a NAD can write any network name into it, but KubeVirt never calls a binding's
  // NAD as "eth0".
  if (ifname === 'eth0' && !defaultNetwork) {
    throw new BindingError(
      'NOT_ALLOWED',
      `Cannot wire "eth0" as a network: ${HARM[binding]}; ` +
        "name this NetworkAttachmentDefinition in the KubeVirt CR's network.binding, " +
        `or set $.${binding}.defaultNetwork in ${NODE_FILE} on the node`,
    );
  }
  if (namespaces === null || (podNamespace !== null && namespaces.includes(podNamespace))) return;
  const whose = podNamespace === null ? 'a pod of no namespace' : `pods of namespace "${podNamespace}"`;
  throw new BindingError(
    'NOT_ALLOWED',
    `Cannot wire ${whose}: $.${binding}.namespaces of ${NODE_FILE} on this node does not list it`,
  );
}
