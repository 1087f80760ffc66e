import { BINDINGS, type BindingKind } from '../bindings.ts';
import { type Example, type Nic, POD } from './vm.ts';

/** MAC of the second NIC: random MACs differ from pod to pod. */
export const MAC = '02:00:00:00:01:00';
/** What the owner of the VM does with it. */
export const OWN_MAC =
  'Replace the MAC, in both places, by one that no other machine on the network has: "02", then five random octets.';
/** Name of the guest's first NIC, after its PCI address. The second is `enp2s0`. */
export const FIRST_NIC = 'enp1s0';

/** An example VM in a file of its own. */
export interface ExampleFile extends Example {
  /** Path relative to nad/. */
  readonly file: string;
  readonly about: readonly string[];
  /** Other documents of the manifest, such as a NAD. */
  readonly others?: readonly ((namespace: string) => object)[];
}

/** A NIC on the pod network with this binding. */
export const onPod = (kind: BindingKind): Nic => ({
  network: POD,
  interface: { binding: { name: BINDINGS[kind].registeredAs } },
});

/**
 * A primary NIC with masquerade, and a second one with this binding on this network.
 *
 * @param macAddress of the second NIC, unless the binding derives one
 */
export function twoNics(
  kind: BindingKind,
  network: string,
  macAddress?: string,
): Pick<ExampleFile, 'nics' | 'ethernets'> {
  const binding = { name: BINDINGS[kind].registeredAs };
  const lan = { dhcp4: true, dhcp6: true };
  return {
    nics: [
      { network: POD, interface: { masquerade: {} } },
      {
        network: { name: network, multus: { networkName: network } },
        interface: macAddress === undefined ? { binding } : { binding, macAddress },
      },
    ],
    // Without network data, the image requests an address on the first NIC only. A name depends on
    // the PCI address of the NIC.
    ethernets: {
      [FIRST_NIC]: { dhcp4: true },
      enp2s0: macAddress === undefined ? lan : { match: { macaddress: macAddress }, ...lan },
    },
  };
}
