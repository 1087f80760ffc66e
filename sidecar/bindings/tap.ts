import { NO_NEEDS } from '../domain/bound-interface.ts';
import { requireWiring, type Wiring } from '../pod/wiring.ts';
import { servedRecordOf } from '../services/facts.ts';
import type { VmiInterface } from '../vmi/vmi.ts';
import type { BindInterface } from './binding.ts';
import { guestMac, macElement, macWarnings } from './guest-mac.ts';
import { leaf, nicElement } from './nic.ts';
import { driverOf, queueWarnings, refuseSingleQueueModel } from './tap-queues.ts';

/**
 * Children of `<interface>` that this binding replaces or removes; all others stay. `source` is
 * removed because an interface of type ethernet has no source.
 */
const REPLACED_CHILDREN = 'address source target model mac mtu boot link alias driver rom acpi'.split(' ');

/**
 * Connects the guest to a tap that a CNI plugin, Tapwire's or another, created for the pod link.
 * Does the same as virt-launcher for `domainAttachmentType: tap`, but with the MTU and the queues
 * of the links in the pod.
 *
 * @throws {BindingError} LINK_MISSING; LINK_UNSUPPORTED if the interface cannot work on these links
 * Source: kubevirt pkg/virt-launcher/virtwrap/converter/network, pkg/network/domainspec; libvirt
 *   "Generic ethernet connection"
 */
export const bindTap: BindInterface = (vmi, one, { links }) => {
  const wiring = requireWiring(one, links);
  const mac = guestMac(one, wiring);
  refuseSingleQueueModel(one, wiring);
  const warnings = [
    ...mtuWarnings(wiring),
    ...queueWarnings(vmi, one, wiring),
    ...macWarnings(mac, wiring),
    ...serviceWarnings(one, wiring),
  ];
  return {
    render: (current) =>
      nicElement({ ...current?.attributes, type: 'ethernet' }, vmi, one, current, [
        leaf('target', { dev: wiring.tap.ifname, managed: 'no' }),
        macElement(mac),
        leaf('mtu', { size: `${mtuOf(wiring)}` }),
        ...driverOf(vmi, one, wiring, current),
        ...(current?.children ?? []).filter(
          ({ name, namespace }) => namespace !== '' || !REPLACED_CHILDREN.includes(name),
        ),
      ]),
    needs: NO_NEEDS,
    warnings: warnings.map((warning) => `Interface "${one.name}": ${warning}`),
  };
};

/**
 * Returns the smaller MTU of the two links, because the link with the smaller MTU would silently
 * drop longer frames.
 */
function mtuOf({ podLink, tap }: Wiring): number {
  return Math.min(podLink.mtu, tap.mtu);
}

function mtuWarnings({ podLink, tap }: Wiring): string[] {
  if (podLink.mtu >= tap.mtu) return [];
  return [
    `pod link "${podLink.ifname}" has MTU ${podLink.mtu}, but "${tap.ifname}" has ${tap.mtu}, so the guest gets ${podLink.mtu}; ` +
      'put the CNI plugin that lowers the MTU before tapwire in the chain',
  ];
}

/**
 * Warns of a tap whose guest gets no addresses, although the name of the binding says so. The CNI
 * plugin of the node may be older than the sidecar, and then ignores the key.
 */
function serviceWarnings({ binding }: VmiInterface, { tap }: Wiring): string[] {
  if (!binding.includes('pod-ip') || servedRecordOf(tap) !== null) return [];
  return [
    `nobody tells the guest its addresses: "${tap.ifname}" was not wired for binding "${binding}"; set "guestAddresses": "pod" ` +
      'in the NAD of the binding, upgrade the CNI plugin on the node if it is older than the sidecar, then restart the VM',
  ];
}
