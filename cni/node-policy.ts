import {
  array,
  boolean,
  type Decoder,
  fields,
  mismatch,
  object,
  optional,
  string,
} from '../shared/decode.ts';
import { BindingError } from '../shared/errors.ts';
import type { NetConf } from './config.ts';

/** What the node's owner allows configurations to ask for; those may be written by tenants. */
export interface NodePolicy {
  readonly tap: {
    /** Namespaces whose pods may be wired; null: all. */
    readonly namespaces: readonly string[] | null;
    /** Whether a pod's `eth0` may be wired as a network, outside a KubeVirt binding. */
    readonly defaultNetwork: boolean;
  };
}

/** Without a node file: any namespace, since a tap gives a pod no more than raw frames of its own link. */
export const DEFAULT_POLICY: NodePolicy = { tap: { namespaces: null, defaultNetwork: false } };

export const NODE_FILE = '/etc/tapwire/node.json';

/** Fields of which every one must be known: a typo in a policy must not open what it was to close. */
const strictFields =
  <T>(shape: { readonly [K in keyof T]: Decoder<T[K]> }): Decoder<T> =>
  (value, path) => {
    const stray = Object.keys(object(value, path)).find((key) => !Object.hasOwn(shape, key));
    if (stray !== undefined) throw mismatch(path, `only the keys ${Object.keys(shape).join(', ')}`, stray);
    return fields(shape)(value, path);
  };

/** @throws {BindingError} INVALID_CONFIG with the JSON path */
export const decodeNodePolicy = strictFields<NodePolicy>({
  tap: optional(
    strictFields({
      namespaces: optional(array(string), null),
      defaultNetwork: optional(boolean, false),
    }),
    DEFAULT_POLICY.tap,
  ),
});

/**
 * Checks that the pod may have what the configuration asks for.
 *
 * @param podNamespace of the pod; null where the runtime did not say
 * @throws {BindingError} NOT_ALLOWED
 */
export function checkPolicy({ binding }: NetConf, podNamespace: string | null, policy: NodePolicy): void {
  const { namespaces } = policy[binding];
  if (namespaces === null || (podNamespace !== null && namespaces.includes(podNamespace))) return;
  const whose = podNamespace === null ? 'a pod of no namespace' : `pods of namespace "${podNamespace}"`;
  throw new BindingError(
    'NOT_ALLOWED',
    `Cannot wire ${whose}: $.${binding}.namespaces of ${NODE_FILE} on this node does not list it`,
  );
}
