import type { Link } from '../../shared/rtnetlink/link.ts';
import type { observePod } from '../../sidecar/observe.ts';

/** `red` is secondary and ours, `default` the pod network and ours only on request. */
export interface VmiParts {
  readonly red?: object;
  readonly devices?: object;
  readonly domain?: object;
  readonly spec?: object;
  readonly networks?: readonly object[];
  readonly interfaces?: readonly object[];
  readonly status?: object;
  readonly metadata?: object;
}

/** A VMI as virt-launcher serialises it, cut to what matters here. */
export function vmiJson(parts: VmiParts = {}): Buffer {
  const red = { name: 'red', binding: { name: 'tapwire' }, ...parts.red };
  const vmi = {
    kind: 'VirtualMachineInstance',
    apiVersion: 'kubevirt.io/v1',
    metadata: { name: 'vm1', namespace: 'lab', creationTimestamp: null, ...parts.metadata },
    spec: {
      architecture: 'amd64',
      domain: {
        cpu: { cores: 2, sockets: 1, threads: 1 },
        resources: { requests: { memory: '1Gi' } },
        ...parts.domain,
        devices: {
          interfaces: parts.interfaces ?? [{ name: 'default', masquerade: {} }, red],
          ...parts.devices,
        },
      },
      networks: parts.networks ?? [
        { name: 'default', pod: {} },
        { name: 'red', multus: { networkName: 'lab/red' } },
      ],
      volumes: [{ name: 'cloudinit', cloudInitNoCloud: { userData: 'SECRET' } }],
      ...parts.spec,
    },
    status: parts.status ?? { interfaces: [{ name: 'default', podInterfaceName: 'eth0' }] },
  };
  return Buffer.from(JSON.stringify(vmi));
}

const plain: Link = {
  ifindex: 1,
  ifname: 'lo',
  kind: null,
  type: 1,
  flags: 0,
  mtu: 1500,
  txqlen: 1000,
  mac: '02:00:00:00:00:11',
  ifalias: null,
  tun: null,
  layer: null,
};

export function veth(ifname: string, parts: Partial<Link> = {}): Link {
  return { ...plain, ifname, kind: 'veth', ...parts };
}

export function tapLink(ifname: string, { mtu = 1500, multiQueue = false } = {}): Link {
  const tun = { mode: 'tap', owner: 107, group: 107, multiQueue, persist: true } as const;
  return { ...plain, ifname, kind: 'tun', mac: '7a:00:00:00:00:01', mtu, tun };
}

/** The pod of `vmiJson()`: the network `red` on a hashed pod link with its tap, and the pod network with one. */
export const podLinks: readonly Link[] = [
  { ...plain, mac: '00:00:00:00:00:00', mtu: 65536, type: 772 },
  veth('eth0', { mac: '0a:58:0a:f4:00:2a', mtu: 1400 }),
  tapLink('tap0', { mtu: 1400 }),
  veth('podb1f51a511f1'),
  tapLink('tapb1f51a511f1'),
];

/** In place of a look at a real pod. */
export function observing(
  links: readonly Link[] = podLinks,
  searchDomains = ['lab.example'],
): typeof observePod {
  return async () => ({ links, searchDomains });
}
