/**
 * A caller like Multus: turns the annotation of a pod into delegates, calls each as Multus does,
 * and builds the pod's network status from their results.
 *
 * Source: k8snetworkplumbingwg/multus-cni pkg/multus, pkg/types;
 * network-attachment-definition-client pkg/utils
 */
import { randomInt } from 'node:crypto';
import type { TestNetns } from '../pod/netns.ts';
import type { Attach, Json, NetworkList, Plugin, Runtime } from './cni-runtime.ts';

/**
 * A NetworkAttachmentDefinition: its `spec.config`, which is one plugin's or a list, and its
 * annotation.
 */
export interface Nad {
  readonly config: Json;
  /** `k8s.v1.cni.cncf.io/resourceName` */
  readonly resourceName?: string;
}

/** An element of the annotation `k8s.v1.cni.cncf.io/networks`. */
export interface NetworkSelection {
  readonly name: string;
  readonly namespace: string;
  readonly interface?: string;
  readonly mac?: string;
  readonly ips?: readonly string[];
  readonly 'cni-args'?: Readonly<Record<string, unknown>>;
}

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly containerId: string;
  readonly netns: TestNetns;
  readonly networks: readonly NetworkSelection[];
  /** The devices that device plugins assigned to the pod's containers, by resource. */
  readonly devices?: Readonly<Record<string, readonly string[]>>;
}

/** An entry of the annotation `k8s.v1.cni.cncf.io/network-status`. */
export interface NetworkStatus {
  readonly name: string;
  readonly interface?: string;
  readonly ips?: readonly string[];
  readonly mac?: string;
  readonly mtu?: number;
  readonly default?: true;
  readonly dns: Json;
  /** Gateways of default routes; `<nil>` for a route without one. */
  readonly gateway?: readonly string[];
}

export interface MultusOptions {
  readonly runtime: Runtime;
  /**
   * Thin Multus is run by the container runtime. Thick Multus is a daemon, which knows less about
   * the sandbox.
   */
  readonly variant: 'thin' | 'thick';
  /** The cluster's default network, as a network configuration list. */
  readonly clusterNetwork: NetworkList;
  /** NADs by `namespace/name`. They may change between calls. */
  readonly nads: Readonly<Record<string, Nad>>;
}

export interface Multus {
  /** Runs ADD for every network in order. If one fails, runs DEL for all up to it, newest first. */
  add(pod: Pod): Promise<readonly NetworkStatus[]>;
  /**
   * Runs DEL for every network in reverse order, with the configuration of ADD as long as Multus
   * remembers it. Reports every failure at the end. Once Multus has forgotten it, it requests the
   * pod from the API, and does nothing if the pod no longer exists.
   */
  del(pod: Pod, netns?: string, isInApi?: boolean): Promise<void>;
  /** Deletes Multus' own files, as on a node that has lost them. */
  forget(): void;
  /**
   * Adds or deletes one network while the pod runs, as a hot-plug controller does: without a name
   * if the element has none, and without devices. Its DELs have no cni-args.
   */
  delegate(command: 'ADD' | 'DEL', pod: Pod, selection: NetworkSelection): Promise<Json>;
}

/** One network of a pod. */
interface Delegate {
  readonly list: NetworkList;
  readonly ifname: string;
  /** Appended to the pod's own CNI_ARGS. A delegate that Multus has stored no longer has them. */
  readonly requested: string;
  readonly capabilityArgs: Readonly<Record<string, unknown>>;
  /** Name in the network status. */
  readonly statusName: string;
}

/**
 * Environment that containerd passes to thin Multus, and Multus to its plugins, besides CNI's
 * variables.
 */
export const CONTAINERD_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/opt/containerd/bin:/hclus/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/nri/bin',
  LD_LIBRARY_PATH: '/opt/containerd/lib:',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/** Environment that the thick daemon's container passes to plugins. */
export const DAEMON_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/src/multus-cni/bin',
  HOSTNAME: 'hclus-node',
  MULTUS_NODE_NAME: 'hclus-node',
  KUBERNETES_PORT: 'tcp://10.96.0.1:443',
  KUBERNETES_PORT_443_TCP: 'tcp://10.96.0.1:443',
  KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
  KUBERNETES_PORT_443_TCP_PORT: '443',
  KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
  KUBERNETES_SERVICE_PORT: '443',
  KUBERNETES_SERVICE_PORT_HTTPS: '443',
  HOME: '/root',
};

type PodId = Pick<Pod, 'namespace' | 'name' | 'uid' | 'containerId'>;

const podKeys = ({ namespace, name, uid, containerId }: PodId): readonly string[] => [
  `K8S_POD_NAMESPACE=${namespace}`,
  `K8S_POD_NAME=${name}`,
  `K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
  `K8S_POD_UID=${uid}`,
];

/** CNI_ARGS of containerd: a small Go map, whose order starts at a random place. */
function containerdArgs(pod: PodId): string {
  const all = ['IgnoreUnknown=1', ...podKeys(pod)];
  const start = randomInt(all.length);
  return [...all.slice(start), ...all.slice(0, start)].join(';');
}

export function openMultus({ runtime, variant, clusterNetwork, nads }: MultusOptions): Multus {
  const remembered = new Map<string, readonly Delegate[]>();

  /** Thin Multus appends what containerd passed to it. */
  const podArgs = (pod: Pod): string => {
    const own = ['IgnoreUnknown=true', ...podKeys(pod)].join(';');
    return variant === 'thin' ? `${own};${containerdArgs(pod)}` : own;
  };

  function delegatesOf(pod: Pod): readonly Delegate[] {
    const taken = new Map<string, number>();
    const master: Delegate = {
      list: clusterNetwork,
      ifname: 'eth0',
      requested: '',
      capabilityArgs: {},
      statusName: clusterNetwork.name,
    };
    const others = pod.networks.map((selection, i): Delegate => {
      const nad = nadOf(selection);
      const deviceId = nextDevice(nad, pod, taken);
      const ifname = selection.interface ?? `net${i + 1}`;
      return {
        list: withRequest(listOf(nad, selection), selection, deviceId),
        ifname,
        requested: requestedArgs(selection),
        capabilityArgs: capabilityArgs(selection, deviceId, `${pod.containerId}_${ifname}`),
        statusName: `${selection.namespace}/${selection.name}`,
      };
    });
    return [master, ...others];
  }

  function nadOf({ namespace, name }: NetworkSelection): Nad {
    const nad = nads[`${namespace}/${name}`];
    if (nad === undefined)
      throw new Error(`cannot find a network-attachment-definition (${name}) in namespace (${namespace})`);
    return nad;
  }

  const attachOf = (
    { ifname, requested, capabilityArgs }: Delegate,
    { containerId }: Pod,
    netns: string,
    args: string,
  ): Attach => ({ containerId, netns, ifname, args: args + requested, capabilityArgs });

  /**
   * The thick daemon stores the fields of the default network that its structs have, and continues
   * if they are too few.
   */
  async function del(delegates: readonly Delegate[], pod: Pod, netns: string): Promise<readonly string[]> {
    const failures: string[] = [];
    const args = podArgs(pod);
    for (const [i, delegate] of [...delegates.entries()].reverse()) {
      const isReduced = variant === 'thick' && i === 0;
      const list = isReduced ? reduced(delegate.list) : delegate.list;
      const call = runtime.del(list, attachOf(delegate, pod, netns, args));
      await call.catch(({ message }: Error) => isReduced || failures.push(message));
    }
    return failures;
  }

  return {
    async add(pod) {
      const delegates = delegatesOf(pod);
      const written = delegates.map((delegate) => ({ ...delegate, requested: '' }));
      remembered.set(pod.containerId, written);
      const status: NetworkStatus[] = [];
      const args = podArgs(pod);
      for (const [i, delegate] of delegates.entries()) {
        const { list, ifname, statusName } = delegate;
        try {
          await refuseTakenName(pod.netns, ifname);
          const result = await runtime.add(list, attachOf(delegate, pod, pod.netns.path, args));
          status.push(...networkStatus(statusName, result, i === 0));
        } catch (error) {
          await del(delegates.slice(0, i + 1), pod, pod.netns.path); // Ignores their errors.
          const where = `[${pod.namespace}/${pod.name}/${pod.uid}:${list.name}]`;
          const { message, cause } = error as Error;
          throw new Error(`${where}: error adding container to network "${list.name}": ${message}`, {
            cause,
          });
        }
      }
      return status;
    },
    async del(pod, netns = pod.netns.path, isInApi = true) {
      const known = remembered.get(pod.containerId);
      if (known === undefined && !isInApi) return;
      const failures = await del(known ?? delegatesOf({ ...pod, devices: {} }), pod, netns);
      if (failures.length > 0) throw new Error(`DelegateDel: ${failures.join(' / ')}`);
      remembered.delete(pod.containerId);
    },
    forget: () => remembered.clear(),
    async delegate(command, pod, selection) {
      const { containerId, netns } = pod;
      const { 'cni-args': _, ...bare } = selection;
      const request = command === 'ADD' ? selection : bare;
      const list = withRequest(listOf(nadOf(selection), selection), request, undefined);
      const attach = {
        containerId,
        netns: netns.path,
        ifname: selection.interface ?? '',
        args: podArgs(pod) + requestedArgs(selection),
        capabilityArgs: capabilityArgs(selection, undefined, ''),
      };
      if (command === 'DEL') return runtime.del(list, attach);
      await refuseTakenName(netns, attach.ifname);
      return runtime.add(list, attach);
    },
  };
}

/** The annotation `k8s.v1.cni.cncf.io/network-status`, as Go writes each entry. */
export const toAnnotation = (statuses: readonly NetworkStatus[]): string =>
  `[${statuses.map((status) => goEscaped(JSON.stringify(status, null, 4))).join(',')}]`;

const goEscaped = (json: string): string =>
  json.replace(/[<>&]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);

/** Plugins with the fields of Multus' types.NetConf. */
const reduced = (list: NetworkList): NetworkList => ({
  ...list,
  plugins: list.plugins.map(({ type, capabilities, ipam }) => ({
    type,
    ...(capabilities === undefined ? {} : { capabilities }),
    ipam: ipam === undefined ? {} : { type: (ipam as Plugin).type },
  })),
});

/** A NAD's configuration as a list, which is named after the NAD if it has no name. */
function listOf({ config }: Nad, { name }: NetworkSelection): NetworkList {
  const named = { ...config, name: config.name || name };
  if ('plugins' in config) return named;
  return { cniVersion: named.cniVersion, name: named.name, plugins: [named], isSingle: true };
}

/** Adds cni-args and the device to every plugin's configuration. */
function withRequest(
  list: NetworkList,
  selection: NetworkSelection,
  deviceId: string | undefined,
): NetworkList {
  const cniArgs = selection['cni-args'];
  const plugins = list.plugins.map((plugin): Plugin => {
    const { args } = plugin as { readonly args?: Json };
    return {
      ...plugin,
      ...(cniArgs === undefined ? {} : { args: { ...args, cni: { ...args?.cni, ...cniArgs } } }),
      ...(deviceId === undefined ? {} : { deviceID: deviceId, pciBusID: deviceId }),
    };
  });
  return { ...list, plugins };
}

/** Assigns devices of one resource to its networks in the order of their names: "10" before "9". */
function nextDevice(
  { resourceName }: Nad,
  { devices = {} }: Pod,
  taken: Map<string, number>,
): string | undefined {
  if (resourceName === undefined) return undefined;
  const count = taken.get(resourceName) ?? 0;
  taken.set(resourceName, count + 1);
  return [...(devices[resourceName] ?? [])].sort()[count];
}

const requestedArgs = ({ mac, ips }: NetworkSelection): string =>
  (mac === undefined ? '' : `;MAC=${mac}`) + (ips === undefined ? '' : `;IP=${ips.join(',')}`);

/** @param place position of the device info file among those of this NAD */
const capabilityArgs = (
  { namespace, name, mac, ips }: NetworkSelection,
  deviceId: string | undefined,
  place: string,
): Record<string, unknown> => ({
  mac,
  ips,
  deviceID: deviceId,
  CNIDeviceInfoFile: deviceId && `/var/run/k8s.cni.cncf.io/devinfo/cni/${namespace}-${name}-${place}`,
});

/** The caller names KubeVirt's links, so that a name may be in use. */
async function refuseTakenName(netns: TestNetns, ifname: string): Promise<void> {
  const links: Json[] = JSON.parse(await netns.ip('-j link show'));
  if (links.some((link) => link.ifname === ifname)) {
    throw new Error(`validateIfName: interface name ${ifname} already exists`);
  }
}

/**
 * Returns one entry for a single interface, else one for each interface in a sandbox, and none for
 * a result without interfaces.
 */
function networkStatus(name: string, result: Json, isDefault: boolean): readonly NetworkStatus[] {
  const interfaces: Json[] = result.interfaces ?? [];
  const listed = interfaces.length === 1 ? interfaces : interfaces.filter(({ sandbox }) => sandbox);
  const gateway: string[] = (result.routes ?? [])
    .filter(({ dst }: Json) => dst === '0.0.0.0/0' || dst === '::/0')
    .map(({ gw }: Json) => gw ?? '<nil>');
  return listed.map((entry) => {
    const ips: string[] = (result.ips ?? [])
      .filter((ip: Json) => interfaces.length === 1 || ip.interface === interfaces.indexOf(entry))
      .map((ip: Json) => ip.address.split('/')[0]);
    return {
      name,
      ...(entry.sandbox ? { interface: entry.name } : {}),
      ...(ips.length === 0 ? {} : { ips }),
      ...(entry.sandbox ? { mac: entry.mac } : {}),
      ...(entry.sandbox && entry.mtu ? { mtu: entry.mtu } : {}),
      ...(isDefault ? { default: true as const } : {}),
      dns: result.dns ?? {},
      ...(gateway.length === 0 ? {} : { gateway }),
    };
  });
}
