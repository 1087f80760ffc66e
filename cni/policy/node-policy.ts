import type { CniBinding } from '../../shared/bindings.ts';
import { array, boolean, type Decoder, optional, string } from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';
import type { AttachmentKey } from '../../shared/record.ts';
import type { NetConf } from '../request/config.ts';
import { lowerDevicesKeys, type MacvtapLowers, NO_LOWERS, requireUnshared } from './macvtap-policy.ts';
import { strictFields } from './strict-fields.ts';

/** What the administrator allows configurations, which tenants may write, to ask for. */
export interface NodePolicy extends Readonly<Record<CniBinding, BindingPolicy>> {
  readonly macvtap: MacvtapPolicy;
}

export interface MacvtapPolicy extends BindingPolicy, MacvtapLowers {}

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

export const DEFAULT_POLICY: NodePolicy = {
  tap: NO_FILE,
  macvtap: { ...NO_FILE, ...NO_LOWERS },
  passt: NO_FILE,
};

/** What the binding would do to every pod of a default network. */
const HARM = {
  tap: 'it would take eth0 away from every pod on this network',
  macvtap: 'every pod of this network would need a device',
  passt: 'every program in the pods of this network could bind privileged ports',
} as const satisfies Record<CniBinding, string>;

export const NODE_FILE = '/etc/tapwire/node.json';

const commonKeys = {
  namespaces: optional(array(string), null),
  defaultNetwork: optional(boolean, false),
};

const bindingPolicy = optional(strictFields<BindingPolicy>(commonKeys), NO_FILE);

const macvtapPolicy: Decoder<MacvtapPolicy> = (value, path) => {
  const policy = strictFields<MacvtapPolicy>({ ...commonKeys, ...lowerDevicesKeys })(value, path);
  requireUnshared(policy, path);
  return policy;
};

/** @throws {BindingError} INVALID_CONFIG with the JSON path */
export const decodeNodePolicy = strictFields<NodePolicy>({
  tap: bindingPolicy,
  macvtap: optional(macvtapPolicy, DEFAULT_POLICY.macvtap),
  passt: bindingPolicy,
});

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
        (binding === 'macvtap'
          ? 'let a VM name this NetworkAttachmentDefinition as a secondary network, '
          : "name this NetworkAttachmentDefinition in the KubeVirt CR's network.binding, ") +
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
