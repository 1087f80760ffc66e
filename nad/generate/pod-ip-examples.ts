import type { BindingKind } from '../bindings.ts';
import { type ExampleFile, FIRST_NIC, MAC, OWN_MAC, onPod, twoNics } from './example-nics.ts';
import { BRIDGE_WITH_ADDRESSES, NETWORK, nad, ON_RANGE } from './nad.ts';

/** Name of the example network with addresses, and of its NAD. */
const POD_IP_NETWORK = `${NETWORK}-with-addresses`;

/** Example VMs whose guests get the addresses of their pods. */
export const POD_IP_EXAMPLES: Readonly<
  Record<Extract<BindingKind, 'tap-pod-ip' | 'tap-pod-ip-mq'>, readonly ExampleFile[]>
> = {
  'tap-pod-ip': [
    {
      file: 'tap-pod-ip/vm-primary.yaml',
      about: [
        "A VM on the pod's own network with the pod's own addresses, without NAT. For networks that give each pod a static address and",
        'serve no DHCP: Calico, Cilium, flannel. The sidecar serves DHCP, DHCPv6 and router advertisements to this guest only.',
      ],
      name: 'tapwire-pod-ip',
      nics: [onPod('tap-pod-ip')],
      ethernets: { [FIRST_NIC]: { dhcp4: true, dhcp6: true } },
    },
    {
      file: 'tap-pod-ip/vm-secondary.yaml',
      about: [
        'A VM with a second NIC on a network whose addresses an IPAM plugin gives out, and this network: "bridge" creates the pod link',
        'on "br-lan" with an address of "host-local", and the sidecar gives it to the guest by DHCP.',
        ...ON_RANGE,
        OWN_MAC,
      ],
      name: 'tapwire-pod-ip-secondary',
      ...twoNics('tap-pod-ip', POD_IP_NETWORK, MAC),
      others: [(namespace) => nad(namespace, POD_IP_NETWORK, BRIDGE_WITH_ADDRESSES)],
    },
  ],
  'tap-pod-ip-mq': [
    {
      file: 'tap-pod-ip-mq/vm-multi-queue.yaml',
      about: [
        "A VM on the pod's own network with the pod's own addresses, whose NIC has one queue for each vCPU. It needs",
        '"networkInterfaceMultiqueue" and two or more vCPUs.',
      ],
      name: 'tapwire-pod-ip-multi-queue',
      nics: [onPod('tap-pod-ip-mq')],
      ethernets: { [FIRST_NIC]: { dhcp4: true, dhcp6: true } },
      vcpus: 4,
      multiQueue: true,
    },
  ],
};
