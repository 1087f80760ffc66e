/** Objects of a cluster with a macvtap network, for the tests of `tapwire check`. */
import { findingsOf as allFindingsOf, kubevirt, nad, type VmParts, vm } from './check.ts';

/** KubeVirt 1.8, which requests devices for VMs itself. */
const MINOR = 8;
export const findingsOf = (text: string): readonly string[] => allFindingsOf(text, MINOR);

export const ASKED = 'k8s.v1.cni.cncf.io/resourceName';
/** Adds the annotation to the first NAD. */
export const asking = (text: string, resource: string = 'tapwire.io/vm-lan'): string =>
  text.replace(/"namespace":"(\w+)"\}/, `"namespace":"$1","annotations":{"${ASKED}":"${resource}"}}`);

export const MACVTAP = { binding: 'macvtap' };
export const LAN: string = asking(nad('lan', MACVTAP, 'vms'));
export const REGISTERED: string = kubevirt({ 'tapwire-macvtap': { domainAttachmentType: 'tap' } });
/** Subject of the findings about the NAD. */
export const SUBJECT = 'NetworkAttachmentDefinition "vms/lan"';

export const bound = (name: string): object => ({ binding: { name } });

/** A VM with a second NIC on the network "lan". */
export function onLan(one: object = bound('tapwire-macvtap'), more: VmParts = {}): string {
  return vm({
    interfaces: [
      { name: 'default', masquerade: {} },
      { name: 'red', ...one },
    ],
    networks: [
      { name: 'default', pod: {} },
      { name: 'red', multus: { networkName: 'lan' } },
    ],
    ...more,
  });
}
