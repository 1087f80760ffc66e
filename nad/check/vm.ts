import { array, boolean, type Decoder, fields, object, optional, string } from '../../shared/decode.ts';
import { get, isObject, type JsonObject } from '../../shared/json.ts';
import { decodeTopology, vcpusOf, vcpusOfResources } from '../../shared/kubevirt/vcpu.ts';
import { findVcpus } from './instancetypes.ts';
import { findPreference, type Preference } from './preferences.ts';
import type { Presets } from './presets.ts';
import type { Resource } from './resource.ts';
import { hotplugVolumesOf, podsOf } from './running.ts';

/** The network settings of a VM, or of an object that creates VMs. */
export interface Vm {
  /** Kind and name, such as `VirtualMachine "vms/red"`. */
  readonly title: string;
  readonly namespace: string;
  readonly interfaces: readonly Interface[];
  readonly networks: readonly Network[];
  /**
   * Queues that KubeVirt requests for a virtio NIC; null if they depend on an unknown instancetype
   * or preference.
   */
  readonly queues: number | null;
  /** Number of pods that the object needs at a time. */
  readonly pods: number;
  /** Names of volumes that are plugged into the running VM. */
  readonly hotplugVolumes: readonly string[];
  /** Defaults from the VM's preference. */
  readonly preference: Preference;
  /** `spec.domain.devices.disks`, not validated. */
  readonly disks: unknown;
  /** `spec.volumes`, not validated. */
  readonly volumes: unknown;
  /** Names in `spec.resourceClaims`. */
  readonly claims: ReadonlySet<unknown>;
  /** Annotations of the VMI, not validated. */
  readonly annotations: JsonObject;
  /** Finds the place of the value at a path under the VM's `spec`, such as `.networks[0]`. */
  readonly at: Resource['at'];
}

export interface Interface {
  readonly name: string;
  /** Name of its binding plugin; null if the interface uses another binding method. */
  readonly binding: string | null;
  /** Names of its binding methods, among them `binding`. KubeVirt accepts exactly one. */
  readonly methods: readonly string[];
  /** "" means virtio; null if it depends on an unknown preference. */
  readonly model: string | null;
  readonly state: string;
  /** All its fields, not validated. */
  readonly fields: JsonObject;
}

export interface Network {
  readonly name: string;
  readonly pod: boolean;
  readonly multus: { readonly networkName: string; readonly default: boolean } | null;
  readonly resourceClaim: JsonObject | null;
}

/** Whether a network is the pod's own, or replaces it. */
export const isPrimary = ({ pod, multus }: Network): boolean => pod || multus?.default === true;

/** Path of the VMI's spec by kind. All kinds are of group `kubevirt.io` or `pool.kubevirt.io`. */
const SPECS: Readonly<Record<string, string>> = {
  VirtualMachine: 'spec.template.spec',
  VirtualMachineInstance: 'spec',
  VirtualMachineInstanceReplicaSet: 'spec.template.spec',
  VirtualMachinePool: 'spec.virtualMachineTemplate.spec.template.spec',
};

/** Path of the VMI's spec in an object. Undefined if the object creates no VMs. */
export function specPathOf({ group, kind }: Resource): string | undefined {
  return group === 'kubevirt.io' || group === 'pool.kubevirt.io'
    ? (get(SPECS, kind) as string | undefined)
    : undefined;
}

/** Decodes the network settings. @throws {BindingError} INVALID_CONFIG with the JSON path */
export function decodeVm(resource: Resource, specPath: string, presets: Presets): Vm {
  const path = `$.${specPath}`;
  const vmiSpec = get(resource.value, ...specPath.split('.'));
  const { domain, networks, resourceClaims } = decodeSpec(vmiSpec, path);
  const { interfaces, networkInterfaceMultiqueue, disks } = domain.devices;
  const spec = vmSpecOf(resource);
  const preference = findPreference(get(spec, 'preference'), resource.namespace, presets.preferences);
  const instancetype = findVcpus(get(spec, 'instancetype'), resource.namespace, presets.instancetypes);
  const vcpus = queuesOf(domain, instancetype);
  return {
    title: `${resource.kind} "${resource.namespace}/${resource.name}"`,
    namespace: resource.namespace,
    interfaces: interfaces.map((one) => ({ ...one, model: one.model || preference.interfaceModel })),
    networks,
    queues: queuesAsked(networkInterfaceMultiqueue ?? preference.multiQueue, vcpus),
    pods: podsOf(resource),
    hotplugVolumes: hotplugVolumesOf(vmiSpec),
    preference,
    disks,
    volumes: get(vmiSpec, 'volumes'),
    annotations: annotationsAt(resource, metadataPathOf(specPath)),
    claims: new Set(resourceClaims.map((claim) => get(claim, 'name'))),
    at: (below) => resource.at(`${path}${below}`),
  };
}

/** Path of the VMI's metadata, by that of its spec. */
export const metadataPathOf = (specPath: string): string => specPath.replace(/spec$/, 'metadata');

/** @param path of the metadata, such as `spec.template.metadata` */
export function annotationsAt({ value }: Resource, path: string): JsonObject {
  const annotations = get(value, ...path.split('.'), 'annotations');
  return isObject(annotations) ? annotations : {};
}

/** The VM's `spec`, which holds instancetype and preference next to the template of the VMI. */
const vmSpecOf = ({ value }: Resource): unknown =>
  get(value, 'spec', 'virtualMachineTemplate', 'spec') ?? get(value, 'spec');

/**
 * Number of queues that KubeVirt requests; 0 without multiqueue, null if unknown.
 *
 * @param isAsked `networkInterfaceMultiqueue`; null if unknown, which does not matter for a VM with
 * one vCPU: it gets one queue
 */
function queuesAsked(isAsked: boolean | null, vcpus: number | null): number | null {
  if (isAsked === null) return vcpus === 1 ? 1 : null;
  return isAsked ? vcpus : 0;
}

/** Binding methods in the order of KubeVirt's API. KubeVirt has removed the last three. */
const METHODS = ['bridge', 'masquerade', 'sriov', 'passtBinding', 'binding', 'slirp', 'macvtap', 'passt'];

const isThere: Decoder<boolean> = (value, path) => optional(object, null)(value, path) !== null;

const decodeInterface: Decoder<Interface & { readonly model: string }> = (value, path) => ({
  ...decodeInterfaceFields(value, path),
  binding: optional(fields({ name: string }), null)(get(value, 'binding'), `${path}.binding`)?.name ?? null,
  methods: METHODS.filter((method) => isThere(get(value, method), `${path}.${method}`)),
  fields: object(value, path),
});

const decodeInterfaceFields = fields({
  name: string,
  model: optional(string, ''),
  state: optional(string, ''),
});

const decodeNetwork = fields<Network>({
  name: string,
  pod: isThere,
  multus: optional(fields({ networkName: string, default: optional(boolean, false) }), null),
  resourceClaim: optional(object, null),
});

type Domain = ReturnType<typeof decodeDomain>;
const decodeDomain = fields({
  cpu: optional(decodeTopology, { cores: 0, sockets: 0, threads: 0 }),
  resources: optional(object, {}),
  devices: optional(
    fields({
      interfaces: optional(array(decodeInterface), []),
      networkInterfaceMultiqueue: optional(boolean, null),
      disks: (value) => value,
    }),
    { interfaces: [], networkInterfaceMultiqueue: null, disks: undefined },
  ),
});

const decodeSpec = fields({
  domain: decodeDomain,
  networks: optional(array(decodeNetwork), []),
  resourceClaims: optional(array(object), []),
});

/** Maximum number of queues of a tap. */
const MAX_QUEUES = 256;

/**
 * Number of queues of a multiqueue NIC: one for each vCPU. Null if unknown.
 *
 * @param instancetype vCPUs of the VM's instancetype; null if unknown; undefined if it has no
 * instancetype
 */
function queuesOf({ cpu, resources }: Domain, instancetype: number | null | undefined): number | null {
  const vcpus = vcpusOf(cpu) ?? (instancetype === undefined ? vcpusOfVm(resources) : instancetype);
  return vcpus === null ? null : Math.min(vcpus, MAX_QUEUES);
}

const vcpusOfVm = (resources: unknown): number =>
  vcpusOfResources(get(resources, 'limits', 'cpu'), get(resources, 'requests', 'cpu'));
