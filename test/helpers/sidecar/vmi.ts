import type { Link } from '../../../shared/rtnetlink/link.ts';
import type { observePod } from '../../../sidecar/pod/observe.ts';

/**
 * `red` is secondary and bound by Tapwire; `default` is the pod network, and bound by Tapwire only
 * on request.
 */
export interface VmiParts {
  readonly red?: object;
  readonly devices?: object;
  readonly domain?: object;
  readonly spec?: object;
  readonly networks?: readonly object[];
  readonly interfaces?: readonly object[];
  /** Replaces the default interfaces and every other field that is named. */
  readonly status?: object;
  readonly metadata?: object;
  readonly volumes?: readonly { readonly name: string }[];
}

const [UID, POD_UID] = ['6c85dc54-eb1e-47be-b929-219ee72d197e', 'ba5b7b9b-742e-4edb-ae78-272302bede7e'];
const CREATED = '2026-11-28T06:25:21Z';
const SCHEDULED = '2026-11-28T06:25:38Z';

const managedBy = (manager: string, time: string, fieldsV1: object) => ({
  manager,
  operation: 'Update',
  apiVersion: 'kubevirt.io/v1',
  time,
  fieldsType: 'FieldsV1',
  fieldsV1,
});

const condition = (type: string, status: string, time: string | null, more: object = {}) => ({
  type,
  status,
  lastProbeTime: time,
  lastTransitionTime: time,
  ...more,
});

type Cpu = Readonly<Record<string, unknown>> | null;

/** Two vCPUs, and what KubeVirt adds if sockets can be plugged in. */
const DEFAULT_CPU: Cpu = { cores: 2, sockets: 1, maxSockets: 4, threads: 1, model: 'host-model' };

function topologyOf(cpu: Cpu): object {
  const { cores, sockets, threads } = cpu ?? {};
  return { cores, sockets, threads };
}

/**
 * A VMI as virt-launcher of KubeVirt 1.9 serialises it for a hook: fields in the order of its Go
 * structs, neither `kind` nor `apiVersion`. test/unit/recorded-launcher.test.ts compares it with
 * recorded ones.
 */
export function vmiJson(parts: VmiParts = {}): Buffer {
  const red = { name: 'red', binding: { name: 'tapwire' }, ...parts.red };
  const volumes = parts.volumes ?? [{ name: 'cloudinit', cloudInitNoCloud: { userData: 'SECRET' } }];
  const disks = volumes.map(({ name }) => ({ name, disk: { bus: 'virtio' } }));
  const hasDisks = disks.length > 0;
  const { cpu = DEFAULT_CPU } = (parts.domain ?? {}) as { cpu?: Cpu };
  const vmi = {
    metadata: {
      name: 'vm1',
      namespace: 'lab',
      uid: UID,
      resourceVersion: '9648',
      generation: 5,
      creationTimestamp: CREATED,
      labels: { 'kubevirt.io/nodeName': 'node1' },
      annotations: {
        'kubectl.kubernetes.io/last-applied-configuration': '{}\n',
        'kubevirt.io/latest-observed-api-version': 'v1',
        'kubevirt.io/pci-topology-version': 'v3',
        'kubevirt.io/storage-observed-api-version': 'v1',
      },
      finalizers: ['kubevirt.io/foregroundDeleteVirtualMachine'],
      managedFields: [
        managedBy('kubectl-client-side-apply', CREATED, { 'f:spec': { '.': {} } }),
        managedBy('virt-controller', SCHEDULED, { 'f:status': { 'f:phase': {} } }),
        managedBy('virt-handler', SCHEDULED, { 'f:status': { 'f:conditions': {} } }),
      ],
      ...parts.metadata,
    },
    spec: {
      domain: {
        resources: {},
        cpu,
        memory: { guest: '1Gi' },
        machine: { type: 'q35' },
        firmware: { uuid: 'f59575e0-681d-44af-91a2-30e980972811' },
        features: { acpi: { enabled: true } },
        ...parts.domain,
        devices: {
          ...(hasDisks ? { disks } : {}),
          interfaces: parts.interfaces ?? [{ name: 'default', masquerade: {} }, red],
          ...parts.devices,
        },
      },
      evictionStrategy: 'None',
      terminationGracePeriodSeconds: 0,
      ...(hasDisks ? { volumes } : {}),
      networks: parts.networks ?? [
        { name: 'default', pod: {} },
        { name: 'red', multus: { networkName: 'lab/red' } },
      ],
      architecture: 'amd64',
      ...parts.spec,
    },
    status: {
      nodeName: 'node1',
      conditions: [
        condition('Ready', 'False', CREATED, {
          reason: 'GuestNotRunning',
          message: 'Guest VM is not reported as running',
        }),
        condition('LiveMigratable', 'True', null),
        condition('StorageLiveMigratable', 'True', null),
      ],
      phase: 'Scheduled',
      phaseTransitionTimestamps: [
        { phase: 'Pending', phaseTransitionTimestamp: CREATED },
        { phase: 'Scheduling', phaseTransitionTimestamp: CREATED },
        { phase: 'Scheduled', phaseTransitionTimestamp: SCHEDULED },
      ],
      interfaces: parts.status === undefined ? [{ name: 'default', podInterfaceName: 'eth0' }] : undefined,
      guestOSInfo: {},
      migrationMethod: 'LiveMigration',
      migrationTransport: 'Unix',
      qosClass: 'Burstable',
      launcherContainerImageVersion: 'registry.example/kubevirt/virt-launcher:v1.9.0',
      activePods: { [POD_UID]: 'node1' },
      ...(hasDisks ? { volumeStatus: volumes.map(({ name }) => ({ name, target: '' })) } : {}),
      runtimeUser: 107,
      selinuxContext: 'none',
      currentCPUTopology: topologyOf(cpu),
      memory: { guestAtBoot: '1Gi', guestCurrent: '1Gi', guestRequested: '1Gi', memoryOverhead: '268Mi' },
      ...parts.status,
    },
  };
  return Buffer.from(JSON.stringify(vmi));
}

const plain: Link = {
  ifindex: 1,
  ifname: 'lo',
  kind: null,
  type: 1,
  flags: 0,
  hasCarrier: true,
  mtu: 1500,
  txqlen: 1000,
  mac: '02:00:00:00:00:11',
  ifalias: null,
  tun: null,
  macvtap: null,
  master: null,
  layer: null,
  xdp: null,
};

export function veth(ifname: string, parts: Partial<Link> = {}): Link {
  return { ...plain, ifname, kind: 'veth', ...parts };
}

export function tapLink(ifname: string, { mtu = 1500, multiQueue = false } = {}): Link {
  const tun = { mode: 'tap', owner: 107, group: 107, multiQueue, persist: true } as const;
  return { ...plain, ifname, kind: 'tun', mac: '7a:00:00:00:00:01', mtu, tun };
}

export function macvtapLink(ifname: string, parts: Partial<Link> = {}): Link {
  return {
    ...plain,
    ifname,
    kind: 'macvtap',
    macvtap: { mode: 4, hasIpv6: false, lower: 3, queues: 1 },
    ...parts,
  };
}

/**
 * The pod of `vmiJson()`: the network `red` on a hashed pod link with its tap, and the pod network
 * with one.
 */
export const podLinks: readonly Link[] = [
  { ...plain, mac: '00:00:00:00:00:00', mtu: 65536, type: 772 },
  veth('eth0', { mac: '0a:58:0a:f4:00:2a', mtu: 1400 }),
  tapLink('tap0', { mtu: 1400 }),
  veth('podb1f51a511f1'),
  tapLink('tapb1f51a511f1'),
];

/** Stands in for observing a real pod. */
export function observing(
  links: readonly Link[] = podLinks,
  searchDomains = ['lab.example'],
): typeof observePod {
  return async () => ({ links, searchDomains });
}
