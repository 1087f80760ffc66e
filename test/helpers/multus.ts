/**
 * A caller like Multus: turns the annotation of a pod into delegates, calls each as Multus does, and makes the pod's network
 * status of their results.
 *
 * Source: k8snetworkplumbingwg/multus-cni pkg/multus, pkg/types; network-attachment-definition-client pkg/utils
 */
import type { Attach, Json, NetworkList, Plugin, Runtime } from './cni-runtime.ts';
import type { TestNetns } from './netns.ts';

/** A NetworkAttachmentDefinition: its `spec.config`, one plugin's or a list, and its annotation. */
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
  /** What the device plugins gave the pod's containers, by resource. */
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
}

export interface MultusOptions {
  readonly runtime: Runtime;
  /** Thin: run by the container runtime. Thick: a daemon, which knows less of the sandbox. */
  readonly variant: 'thin' | 'thick';
  /** The cluster's default network, as a network configuration list. */
  readonly clusterNetwork: NetworkList;
  /** NADs by `namespace/name`; may change between calls. */
  readonly nads: Readonly<Record<string, Nad>>;
}

export interface Multus {
  /** ADD of every network in order; when one fails, DEL of all up to it, newest first. */
  add(pod: Pod): Promise<readonly NetworkStatus[]>;
  /** DEL of every network in reverse order, as it was at ADD while Multus remembers. Tells of every failure at the end. */
  del(pod: Pod, netns?: string): Promise<void>;
  /** A node that lost Multus' own files. */
  forget(): void;
  /**
   * How a hot-plug controller has one network added or deleted while the pod runs: with no name where the element has none, and
   * with no devices. Its DELs have no cni-args.
   */
  delegate(command: 'ADD' | 'DEL', pod: Pod, selection: NetworkSelection): Promise<Json>;
}

/** One network of a pod, ready to be called. */
interface Delegate {
  readonly list: NetworkList;
  readonly attach: Attach;
  /** As the network status calls it. */
  readonly statusName: string;
}

/** The environment that a daemon's container gives its children (debian-slim, and what Kubernetes adds). */
export const DAEMON_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOSTNAME: 'node1',
  HOME: '/root',
  MULTUS_NODE_NAME: 'node1',
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
  KUBERNETES_SERVICE_PORT: '443',
  KUBERNETES_SERVICE_PORT_HTTPS: '443',
  KUBERNETES_PORT: 'tcp://10.96.0.1:443',
  KUBERNETES_PORT_443_TCP: 'tcp://10.96.0.1:443',
  KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
  KUBERNETES_PORT_443_TCP_PORT: '443',
  KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
};

export function openMultus({ runtime, variant, clusterNetwork, nads }: MultusOptions): Multus {
  const remembered = new Map<string, readonly Delegate[]>();

  const podArgs = ({ namespace, name, uid, containerId }: Pod): string =>
    `IgnoreUnknown=true;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};` +
    `K8S_POD_INFRA_CONTAINER_ID=${variant === 'thin' ? containerId : ''};K8S_POD_UID=${uid}`;

  function delegatesOf(pod: Pod): readonly Delegate[] {
    const { containerId, netns } = pod;
    const base = { containerId, netns: netns.path, args: podArgs(pod) };
    const taken = new Map<string, number>();
    const master: Delegate = {
      list: clusterNetwork,
      attach: { ...base, ifname: 'eth0' },
      statusName: clusterNetwork.name,
    };
    const others = pod.networks.map((selection, i): Delegate => {
      const nad = nadOf(selection);
      const deviceId = nextDevice(nad, pod, taken);
      return {
        list: withRequest(listOf(nad, selection), selection, deviceId),
        attach: {
          ...base,
          ifname: selection.interface ?? `net${i + 1}`,
          args: base.args + requestedArgs(selection),
          capabilityArgs: capabilityArgs(selection, deviceId),
        },
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

  async function del(delegates: readonly Delegate[], netns?: string): Promise<readonly string[]> {
    const failures: string[] = [];
    for (const { list, attach } of [...delegates].reverse()) {
      const call = runtime.del(list, netns === undefined ? attach : { ...attach, netns });
      await call.catch(({ message }: Error) => failures.push(message));
    }
    return failures;
  }

  return {
    async add(pod) {
      const delegates = delegatesOf(pod);
      remembered.set(pod.containerId, delegates);
      const status: NetworkStatus[] = [];
      for (const [i, delegate] of delegates.entries()) {
        const { list, attach, statusName } = delegate;
        try {
          await refuseTakenName(pod.netns, attach.ifname);
          const result = await runtime.add(list, attach);
          status.push(...networkStatus(statusName, result, i === 0));
        } catch (error) {
          await del(delegates.slice(0, i + 1)); // whatever they say
          remembered.delete(pod.containerId);
          const where = `[${pod.namespace}/${pod.name}/${pod.uid}:${list.name}]`;
          const { message, cause } = error as Error;
          throw new Error(`${where}: error adding container to network "${list.name}": ${message}`, {
            cause,
          });
        }
      }
      return status;
    },
    async del(pod, netns) {
      const failures = await del(
        remembered.get(pod.containerId) ?? delegatesOf({ ...pod, devices: {} }),
        netns,
      );
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
        capabilityArgs: capabilityArgs(selection, undefined),
      };
      if (command === 'DEL') return runtime.del(list, attach);
      await refuseTakenName(netns, attach.ifname);
      return runtime.add(list, attach);
    },
  };
}

/** A NAD's configuration as a list; its name is the NAD's where it has none. */
function listOf({ config }: Nad, { name }: NetworkSelection): NetworkList {
  const named = { ...config, name: config.name || name };
  return 'plugins' in config ? named : { cniVersion: named.cniVersion, name: named.name, plugins: [named] };
}

/** Puts cni-args and the device into every plugin's configuration. */
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

/** Devices of one resource go to its networks in the order of their names: "10" before "9". */
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

const capabilityArgs = (
  { mac, ips }: NetworkSelection,
  deviceId: string | undefined,
): Record<string, unknown> => ({
  mac,
  ips,
  deviceID: deviceId,
});

/** KubeVirt's links are named by the caller, and so may clash with what is there. */
async function refuseTakenName(netns: TestNetns, ifname: string): Promise<void> {
  const links: Json[] = JSON.parse(await netns.ip('-j link show'));
  if (links.some((link) => link.ifname === ifname)) {
    throw new Error(`validateIfName: interface name ${ifname} already exists`);
  }
}

/** One entry for a single interface, else one for each that is in a sandbox; none for a result without interfaces. */
function networkStatus(name: string, result: Json, isDefault: boolean): readonly NetworkStatus[] {
  const interfaces: Json[] = result.interfaces ?? [];
  const listed = interfaces.length === 1 ? interfaces : interfaces.filter(({ sandbox }) => sandbox);
  return listed.map((entry) => {
    const ips: string[] = (result.ips ?? [])
      .filter((ip: Json) => interfaces.length === 1 || ip.interface === interfaces.indexOf(entry))
      .map((ip: Json) => ip.address.split('/')[0]);
    return {
      name,
      ...(entry.sandbox ? { interface: entry.name, mac: entry.mac } : {}),
      ...(entry.sandbox && entry.mtu ? { mtu: entry.mtu } : {}),
      ...(ips.length === 0 ? {} : { ips }),
      ...(isDefault ? { default: true as const } : {}),
      dns: result.dns ?? {},
    };
  });
}
