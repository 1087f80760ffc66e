import { BindingError } from '../../shared/errors.ts';
import { filtersUnicast } from '../../shared/rtnetlink/link-kind.ts';
import { NO_NEEDS } from '../domain/bound-interface.ts';
import { findWiring, type Wiring } from '../pod/wiring.ts';
import type { Vmi, VmiInterface } from '../vmi/vmi.ts';
import type { NewElement } from '../xml/markup.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';
import type { BindInterface } from './binding.ts';
import { iommuOf, isVirtio, leaf, nicElement } from './nic.ts';

/**
 * Children of `<interface>` that we decide on; whatever else it has stays. `source` is among them because a domain
 * interface of type ethernet has none.
 */
const OURS = 'address source target model mac mtu boot link alias driver rom acpi'.split(' ');

/** Fewer would make libvirt open the tap without IFF_MULTI_QUEUE, which the kernel refuses on a tap that has it. */
const MIN_MULTI_QUEUES = 2;

/**
 * A tap that our CNI plugin, or another, left beside the pod link: what virt-launcher itself makes of `domainAttachmentType: tap`,
 * but with the MTU and the queues of the links that are really there.
 *
 * @throws {BindingError} LINK_MISSING; LINK_UNSUPPORTED when the interface cannot work on these links
 * Source: kubevirt pkg/virt-launcher/virtwrap/converter/network, pkg/network/domainspec; libvirt "Generic ethernet connection"
 */
export const bindTap: BindInterface = (vmi, one, { links }) => {
  const wiring = findWiring(one, links);
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
          ({ name, namespace }) => namespace !== '' || !OURS.includes(name),
        ),
      ]),
    needs: NO_NEEDS,
    warnings: warningsOf(vmi, one, wiring, mac).map((warning) => `Interface "${one.name}": ${warning}`),
  };
};

function macOf(one: VmiInterface, { podLink }: Wiring): string {
  const mac = one.mac ?? podLink.mac;
  if (mac === '') throw unworkable(one, `neither the VMI nor pod link "${podLink.ifname}" has a MAC address`);
  return mac;
}

/** A longer frame would be dropped by one of the two, and nobody be told. */
function mtuOf({ podLink, tap }: Wiring): number {
  return Math.min(podLink.mtu, tap.mtu);
}

function refuseSingleQueueModel(one: VmiInterface, { tap }: Wiring): void {
  if (!tap.tun.multiQueue || isVirtio(one)) return;
  const remedy = 'use model virtio, or a NAD without multiQueue';
  throw unworkable(
    one,
    `model ${one.model} has one queue but "${tap.ifname}" is a multi-queue tap; ${remedy}`,
  );
}

function unworkable({ name }: VmiInterface, reason: string): BindingError {
  return new BindingError('LINK_UNSUPPORTED', `Cannot bind interface "${name}": ${reason}`);
}

/**
 * Queues follow the tap, not the VMI: with two or more on a single-queue tap, or fewer on a multi-queue one, libvirt's TUNSETIFF
 * fails. Anything else that `<driver>` has stays, but for the empty `name` that virt-launcher's round trip adds.
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
      `pod link "${podLink.ifname}" has MTU ${podLink.mtu}, "${tap.ifname}" ${tap.mtu}: the guest gets ${podLink.mtu}; ` +
        'a plugin that lowers the MTU belongs before tapwire in the chain',
    );
  }
  if (vmi.queues > 1 && !tap.tun.multiQueue && isVirtio(one)) {
    warnings.push(
      `the VMI asks for ${vmi.queues} queues, "${tap.ifname}" has one: the guest gets one; use a NAD with multiQueue`,
    );
  }
  if (mac !== podLink.mac && filtersUnicast(podLink)) {
    warnings.push(
      `pod link "${podLink.ifname}" (${podLink.kind ?? 'a physical device'}) has MAC address ${podLink.mac} and may drop what is for ` +
        `the guest's ${mac}; let the network's plugin set the VMI's macAddress, or leave that out`,
    );
  }
  return warnings;
}
