import type { V1Interface, V1Network, V1VirtualMachine } from '@kubevirt-ui-ext/kubevirt-api/kubevirt';

/** Properties in which the example VMs differ. */
export interface Example {
  readonly name: string;
  readonly nics: readonly Nic[];
  readonly vcpus?: number;
  readonly multiQueue?: boolean;
  /**
   * `ethernets` of cloud-init's network data; by default the image requests an address on its first
   * NIC only.
   */
  readonly ethernets?: Readonly<Record<string, object>>;
}

export type Nic = Readonly<{ network: V1Network; interface: Omit<V1Interface, 'name'> }>;

export const POD: V1Network = { name: 'default', pod: {} };

/** A VM that boots Fedora with these NICs. */
export function vm(
  namespace: string,
  { name, nics, vcpus = 1, multiQueue, ethernets }: Example,
): V1VirtualMachine {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name, namespace },
    spec: {
      runStrategy: 'Always',
      template: {
        spec: {
          domain: {
            cpu: { cores: vcpus },
            memory: { guest: '1Gi' },
            devices: {
              disks: ['root', 'cloud-init'].map((disk) => ({ name: disk, disk: { bus: 'virtio' } })),
              interfaces: nics.map((nic) => ({ name: nic.network.name, ...nic.interface })),
              ...(multiQueue ? { networkInterfaceMultiqueue: true } : {}),
            },
          },
          networks: nics.map(({ network }) => network),
          volumes: [
            { name: 'root', containerDisk: { image: 'quay.io/containerdisks/fedora:latest' } },
            {
              name: 'cloud-init',
              cloudInitNoCloud: {
                userData: '#cloud-config\npassword: fedora\nchpasswd: {expire: false}\n',
                ...(ethernets ? { networkData: JSON.stringify({ version: 2, ethernets }) } : {}),
              },
            },
          ],
        },
      },
    },
  };
}
