import { BindingError } from '../../shared/errors.ts';
import { filtersUnicast } from '../../shared/rtnetlink/link-kind.ts';
import { NO_NEEDS } from '../domain/bound-interface.ts';
import { requireWiring, type Wiring } from '../pod/wiring.ts';
import type { Vmi, VmiInterface } from '../vmi/vmi.ts';
import type { NewElement } from '../xml/markup.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';
import type { BindInterface } from './binding.ts';
import { iommuOf, isVirtio, leaf, nicElement } from './nic.ts';

/**
 * Children of `<interface>` that this binding replaces or removes; all others stay. `source` is
 * removed because an interface of type ethernet has no source.
 */
const REPLACED_CHILDREN = 'address source target model mac mtu boot link alias driver rom acpi'.split(' ');

/**
 * Minimum number of queues for a multi-queue tap. With only one, libvirt opens the tap without
 * IFF_MULTI_QUEUE, and the kernel refuses that.
 */
const MIN_MULTI_QUEUES = 2;

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
  const mac = macOf(one, wiring);
  refuseSingleQueueModel(one, wiring);
  return {
    render: (current) =>
      nicElement({ ...current?.attributes, type: 'ethernet' }, vmi, one, current, [
        leaf('target', { dev: wiring.tap.ifname, managed: 'no' }),
        leaf('mac', { address: mac }),
        leaf('mtu', { size: `${mtuOf(wiring)}` }),
        ...driverOf(vmi, one, wiring, current),
        ...(current?.children ?? []).filter(
          ({ name, namespace }) => namespace !== '' || !REPLACED_CHILDREN.includes(name),
        ),
      ]),
    needs: NO_NEEDS,
    warnings: warningsOf(vmi, one, wiring, mac).map((warning) => `Interface "${one.name}": ${warning}`),
  };
};

function macOf(one: VmiInterface, { podLink }: Wiring): string {
  const mac = one.mac ?? podLink.mac;
  if (mac === '')
    throw unsupported(one, `neither the VMI nor pod link "${podLink.ifname}" has a MAC address`);
  return mac;
}

/**
 * Returns the smaller MTU of the two links, because the link with the smaller MTU would silently
 * drop longer frames.
 */
function mtuOf({ podLink, tap }: Wiring): number {
  return Math.min(podLink.mtu, tap.mtu);
}

function refuseSingleQueueModel(one: VmiInterface, { tap }: Wiring): void {
  if (!tap.tun.multiQueue || isVirtio(one)) return;
  const remedy = 'use model virtio or a NAD without multiQueue';
  throw unsupported(
    one,
    `model ${one.model} has one queue, but "${tap.ifname}" is a multi-queue tap; ${remedy}`,
  );
}

function unsupported({ name }: VmiInterface, reason: string): BindingError {
  return new BindingError('LINK_UNSUPPORTED', `Cannot bind interface "${name}": ${reason}`);
}

/**
 * Builds the `<driver>` element. The tap, not the VMI, decides whether there are several queues:
 * libvirt's TUNSETIFF fails for several queues on a single-queue tap, and for one queue on a
 * multi-queue tap. All other attributes stay, except for the empty `name` that virt-launcher adds
 * when it reads and writes the domain.
 */
function driverOf(vmi: Vmi, one: VmiInterface, { tap }: Wiring, current?: Element): NewElement[] {
  const { multiQueue } = tap.tun;
  const driver = current === undefined ? undefined : childrenNamed(current, 'driver')[0];
  const { name, queues: _, ...kept } = driver?.attributes ?? {};
  const iommu = iommuOf(vmi, one);
  const attributes = {
    ...(name ? { name } : multiQueue || iommu['iommu'] ? { name: 'vhost' } : {}),
    ...(multiQueue ? { queues: `${Math.max(vmi.queues, MIN_MULTI_QUEUES)}` } : {}),
    ...kept,
    ...iommu,
  };
  const children = driver?.children ?? [];
  return Object.keys(attributes).length + children.length === 0
    ? []
    : [{ name: 'driver', attributes, children }];
}

function warningsOf(vmi: Vmi, one: VmiInterface, { podLink, tap }: Wiring, mac: string): string[] {
  const warnings: string[] = [];
  if (podLink.mtu < tap.mtu) {
    warnings.push(
      `pod link "${podLink.ifname}" has MTU ${podLink.mtu}, but "${tap.ifname}" has ${tap.mtu}, so the guest gets ${podLink.mtu}; ` +
        'put the CNI plugin that lowers the MTU before tapwire in the chain',
    );
  }
  if (vmi.queues > 1 && !tap.tun.multiQueue && isVirtio(one)) {
    warnings.push(
      `the VMI asks for ${vmi.queues} queues, but "${tap.ifname}" has one, so the guest gets one; use a NAD with multiQueue`,
    );
  }
  if (mac !== podLink.mac && filtersUnicast(podLink)) {
    warnings.push(
      `pod link "${podLink.ifname}" (${podLink.kind ?? 'a physical device'}) has MAC address ${podLink.mac} and may drop frames to ` +
        `the guest's ${mac}; let the network's CNI plugin set this address, or remove macAddress from the VMI`,
    );
  }
  return warnings;
}
