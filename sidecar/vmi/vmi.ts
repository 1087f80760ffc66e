import { array, boolean, fields, object, optional, string } from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';
import { countVcpus } from '../../shared/kubevirt/vcpu.ts';
import { decodeInterface, type InterfaceSpec } from './interface.ts';
import { decodeNetworkStatus, decodeNetworks, indexNetworks, type VmiNetwork } from './network.ts';

/**
 * What the sidecar reads from a VirtualMachineInstance. It does not decode, keep or log anything
 * else.
 */
export interface Vmi {
  readonly namespace: string;
  readonly name: string;
  /** Architecture as a GOARCH; KubeVirt sets it. */
  readonly architecture: string;
  readonly useVirtioTransitional: boolean;
  /** Whether devices cannot read the guest's memory: SEV, SEV-SNP or IBM Secure Execution. */
  readonly confidential: boolean;
  /**
   * Number of queues of a virtio interface, by KubeVirt's own rule; 0 without
   * networkInterfaceMultiqueue.
   */
  readonly queues: number;
  /** Whether Istio's proxy runs in the pod. */
  readonly istio: boolean;
  /** Interfaces with a binding that the sidecar serves, in the VMI's order. */
  readonly interfaces: readonly VmiInterface[];
}

export interface VmiInterface extends InterfaceSpec {
  /** Name under which the binding is registered. */
  readonly binding: string;
  /** Network of the same name, which KubeVirt requires. */
  readonly network: VmiNetwork;
}

const MAX_QUEUES = 256; // MAX_TAP_QUEUES of the kernel's tun driver, and KubeVirt's limit
const flag = optional(boolean, false);

const ISTIO_INJECT = 'sidecar.istio.io/inject';
/**
 * Label or annotation of the VMI. KubeVirt gives the pod the VMI's labels, then this annotation as
 * a label, so the annotation takes precedence.
 */
const istioInject = fields({ [ISTIO_INJECT]: optional(string, null) });
const NO_ISTIO = { [ISTIO_INJECT]: null };

const decodeOutline = fields({
  metadata: optional(
    fields({
      name: optional(string, ''),
      namespace: optional(string, ''),
      annotations: optional(istioInject, NO_ISTIO),
      labels: optional(istioInject, NO_ISTIO),
    }),
    { name: '', namespace: '', annotations: NO_ISTIO, labels: NO_ISTIO },
  ),
  spec: fields({
    architecture: optional(string, ''),
    networks: decodeNetworks,
    domain: fields({
      cpu: optional(object, {}),
      resources: optional(object, {}),
      launchSecurity: optional(fields({ sev: optional(object, null), snp: optional(object, null) }), null),
      devices: fields({
        networkInterfaceMultiqueue: flag,
        useVirtioTransitional: flag,
        interfaces: optional(array(object), []),
      }),
    }),
  }),
  status: decodeNetworkStatus,
});

const decodeOwner = fields({
  state: optional(string, ''),
  binding: optional(fields({ name: string }), null),
});

/**
 * Reads the VMI that virt-launcher sends. Skips interfaces of other bindings, even if they are
 * invalid.
 *
 * @param bindings registered names that the sidecar serves
 * @throws {BindingError} INVALID_VMI; for an invalid field, the message names its JSON path
 */
export function parseVmi(bytes: Uint8Array, bindings: readonly string[]): Vmi {
  const json = parse(bytes);
  try {
    return decode(json, bindings);
  } catch (error) {
    if (!(error instanceof BindingError) || error.code !== 'INVALID_CONFIG') throw error;
    throw new BindingError('INVALID_VMI', error.message, { cause: error });
  }
}

/**
 * Parses JSON. Does not use `parseJson`, because the message of JSON.parse quotes its input, which
 * may be cloud-init data.
 */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new BindingError('INVALID_VMI', 'Cannot read the VMI: it is not JSON in UTF-8');
  }
}

function decode(json: unknown, bindings: readonly string[]): Vmi {
  const outline = decodeOutline(json, '$');
  const { metadata, spec } = outline;
  const { devices, launchSecurity } = spec.domain;
  const networks = indexNetworks(spec.networks, outline.status);
  const interfaces = devices.interfaces.flatMap((source, index) => {
    const path = `$.spec.domain.devices.interfaces[${index}]`;
    const owner = decodeOwner(source, path);
    // KubeVirt does not render an interface that is to be removed.
    if (owner.binding === null || !bindings.includes(owner.binding.name) || owner.state === 'absent')
      return [];
    const own = decodeInterface(source, path);
    const network = networks.get(own.name);
    if (network === undefined) throw unbindable(own.name, 'the VMI has no network of that name');
    return [{ ...own, binding: owner.binding.name, network }];
  });
  const names = new Set<string>();
  for (const { name } of interfaces) {
    if (names.has(name)) throw unbindable(name, 'the VMI has two interfaces of that name');
    names.add(name);
  }
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    architecture: spec.architecture,
    useVirtioTransitional: devices.useVirtioTransitional,
    confidential:
      launchSecurity !== null &&
      (launchSecurity.sev !== null || launchSecurity.snp !== null || spec.architecture === 's390x'),
    queues: devices.networkInterfaceMultiqueue ? Math.min(countVcpus(spec.domain), MAX_QUEUES) : 0,
    istio: (metadata.annotations[ISTIO_INJECT] ?? metadata.labels[ISTIO_INJECT])?.toLowerCase() === 'true',
    interfaces,
  };
}

function unbindable(name: string, reason: string): BindingError {
  return new BindingError('INVALID_VMI', `Cannot bind interface "${name}": ${reason}`);
}
