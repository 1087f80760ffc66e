import { BindingError } from '../shared/errors.ts';
import type { NewElement } from './markup.ts';
import type { Vmi, VmiInterface } from './vmi.ts';
import type { PciAddress } from './vmi-interface.ts';
import type { Wiring } from './wiring.ts';
import { childrenNamed, type Element } from './xml.ts';

/**
 * Children of `<interface>` that we decide on; whatever else it has stays. `source` is among them because a domain
 * interface of type ethernet has none.
 */
const OURS = 'address source target model mac mtu boot link alias driver rom acpi'.split(' ');

/** Fewer would make libvirt open the tap without IFF_MULTI_QUEUE, which the kernel refuses on a tap that has it. */
const MIN_MULTI_QUEUES = 2;

/** libvirt's user alias of a VMI interface, by which KubeVirt finds it again. */
export function aliasOf(interfaceName: string): string {
  return `ua-${interfaceName}`;
}

/**
 * The domain interface of a `tap` attachment: what virt-launcher itself makes of `domainAttachmentType: tap`, but with the MTU
 * and the queues of the tap that is really there.
 *
 * Pure. Fed with its own result, even after virt-launcher has dropped from that what it does not know, it gives the same.
 *
 * @param current the interface as the domain has it; undefined when it has none yet
 * @throws {BindingError} LINK_UNSUPPORTED when the interface cannot work on this wiring
 * Source: kubevirt pkg/virt-launcher/virtwrap/converter/network, pkg/network/domainspec; libvirt "Generic ethernet connection"
 */
export function tapInterface(vmi: Vmi, bound: VmiInterface, wiring: Wiring, current?: Element): NewElement {
  const { podLink, tap } = wiring;
  const mac = bound.mac ?? podLink.mac;
  if (mac === '')
    throw unworkable(bound, `neither the VMI nor pod link "${podLink.ifname}" has a MAC address`);

  return {
    name: 'interface',
    attributes: { ...current?.attributes, type: 'ethernet' },
    // The order is virt-launcher's; libvirt does not mind.
    children: [
      ...addressOf(bound, current),
      { name: 'target', attributes: { dev: tap.ifname, managed: 'no' } },
      { name: 'model', attributes: { type: modelOf(vmi, bound) } },
      { name: 'mac', attributes: { address: mac } },
      { name: 'mtu', attributes: { size: `${tap.mtu}` } },
      ...(bound.bootOrder === null ? [] : [{ name: 'boot', attributes: { order: `${bound.bootOrder}` } }]),
      ...(bound.linkDown ? [{ name: 'link', attributes: { state: 'down' } }] : []),
      { name: 'alias', attributes: { name: aliasOf(bound.name) } },
      ...driverOf(vmi, bound, wiring, current),
      ...romOf(vmi, bound),
      ...(bound.acpiIndex === 0 ? [] : [{ name: 'acpi', attributes: { index: `${bound.acpiIndex}` } }]),
      ...(current?.children ?? []).filter(({ name, namespace }) => namespace !== '' || !OURS.includes(name)),
    ],
  };
}

function unworkable(bound: VmiInterface, reason: string): BindingError {
  return new BindingError('LINK_UNSUPPORTED', `Cannot bind interface "${bound.name}": ${reason}`);
}

/** The VMI's; else the one that is there, so that the guest finds its device in the same slot after each pass. */
function addressOf(bound: VmiInterface, current: Element | undefined): (NewElement | Element)[] {
  if (bound.pciAddress !== null) return [{ name: 'address', attributes: pciAttributes(bound.pciAddress) }];
  return current === undefined ? [] : childrenNamed(current, 'address').slice(0, 1);
}

function pciAttributes({ domain, bus, slot, function: fn }: PciAddress): Record<string, string> {
  return { type: 'pci', domain: `0x${domain}`, bus: `0x${bus}`, slot: `0x${slot}`, function: `0x${fn}` };
}

function isVirtio({ model }: VmiInterface): boolean {
  return model === null || model.startsWith('virtio');
}

/** virtio in the three forms that KubeVirt writes, or what else the VMI names. */
function modelOf(vmi: Vmi, { model }: VmiInterface): string {
  if (model !== null && model !== 'virtio') return model;
  if (vmi.architecture === 's390x') return 'virtio'; // its bus is not PCI: nothing to be transitional about
  return vmi.useVirtioTransitional ? 'virtio-transitional' : 'virtio-non-transitional';
}

/**
 * Queues follow the tap, not the VMI: with two or more on a single-queue tap, or fewer on a multi-queue one, libvirt's TUNSETIFF
 * fails. Anything else that `<driver>` has stays, but for the empty `name` that virt-launcher's round trip adds.
 */
function driverOf(vmi: Vmi, bound: VmiInterface, { tap }: Wiring, current?: Element): NewElement[] {
  const { multiQueue } = tap.tun;
  if (multiQueue && !isVirtio(bound)) {
    const remedy = 'use model virtio, or a NAD without multiQueue';
    throw unworkable(
      bound,
      `model ${bound.model} has one queue but "${tap.ifname}" is a multi-queue tap; ${remedy}`,
    );
  }
  const driver = current === undefined ? undefined : childrenNamed(current, 'driver')[0];
  const { name, queues: _, ...kept } = driver?.attributes ?? {};
  const closed = vmi.confidential && isVirtio(bound);
  const attributes = {
    ...(name ? { name } : multiQueue || closed ? { name: 'vhost' } : {}),
    ...(multiQueue ? { queues: `${Math.max(vmi.queues, MIN_MULTI_QUEUES)}` } : {}),
    ...kept,
    ...(closed ? { iommu: 'on' } : {}),
  };
  const children = driver?.children ?? [];
  return Object.keys(attributes).length + children.length === 0
    ? []
    : [{ name: 'driver', attributes, children }];
}

/** No option ROM where nothing boots from it; never for a confidential guest, of which iPXE knows nothing. */
function romOf(vmi: Vmi, bound: VmiInterface): NewElement[] {
  if (vmi.architecture === 's390x') return [];
  return bound.bootOrder === null || vmi.confidential ? [{ name: 'rom', attributes: { enabled: 'no' } }] : [];
}
