import { NO_NEEDS } from '../domain/bound-interface.ts';
import { requireMacvtap } from '../pod/wiring.ts';
import type { BindInterface } from './binding.ts';
import { guestMac, macElement, macWarnings } from './guest-mac.ts';
import { isVirtio, leaf, nicElement } from './nic.ts';
import { driverElement } from './tap-queues.ts';

/** Children of `<interface>` that this binding replaces or removes; all others stay. */
const REPLACED_CHILDREN = 'address source target model mac mtu boot link alias driver rom acpi'.split(' ');

/**
 * Connects the guest to a macvtap that a CNI plugin, Tapwire's or another, created as the pod link.
 * Does the same as virt-launcher for `domainAttachmentType: tap`: libvirt opens the link by its
 * device node. Nothing of the link needs a repair, because a macvtap takes any number of queues.
 *
 * @throws {BindingError} LINK_MISSING; LINK_UNSUPPORTED if the pod link is not a macvtap
 * Source: kubevirt pkg/network/domainspec, TapLibvirtSpecGenerator; libvirt "Generic ethernet
 *   connection"
 */
export const bindMacvtap: BindInterface = (vmi, one, { links }) => {
  const podLink = requireMacvtap(one, links);
  const mac = guestMac(one, { podLink });
  const queues = isVirtio(one) && vmi.queues > 0 ? vmi.queues : null;
  return {
    render: (current) =>
      nicElement({ ...current?.attributes, type: 'ethernet' }, vmi, one, current, [
        leaf('target', { dev: podLink.ifname, managed: 'no' }),
        macElement(mac),
        leaf('mtu', { size: `${podLink.mtu}` }),
        ...driverElement(vmi, one, queues, current),
        ...(current?.children ?? []).filter(
          ({ name, namespace }) => namespace !== '' || !REPLACED_CHILDREN.includes(name),
        ),
      ]),
    needs: NO_NEEDS,
    warnings: macWarnings(mac, { podLink }).map((warning) => `Interface "${one.name}": ${warning}`),
  };
};
