/** The parts of a domain interface that do not depend on how it is bound. */

import type { PciAddress } from '../vmi/interface.ts';
import type { Vmi, VmiInterface } from '../vmi/vmi.ts';
import type { NewElement } from '../xml/markup.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';

/** Children as virt-launcher writes them; libvirt takes any order. */
const ORDER = 'address source target model mac mtu boot link alias driver rom acpi backend portForward'.split(
  ' ',
);

/** libvirt's user alias of a VMI interface, by which KubeVirt finds it again. */
export function aliasOf(interfaceName: string): string {
  return `ua-${interfaceName}`;
}

export function isVirtio({ model }: VmiInterface): boolean {
  return model === null || model.startsWith('virtio');
}

/** An element without children. */
export function leaf(name: string, attributes: Readonly<Record<string, string>>): NewElement {
  return { name, attributes };
}

/**
 * A domain interface: what the VMI says of every one, and what its binding adds.
 *
 * @param current the interface as the domain has it; undefined when it has none yet
 * @param own the binding's children, among them no `address`, `model`, `boot`, `link`, `alias`, `rom` and `acpi`
 * Source: kubevirt pkg/virt-launcher/virtwrap/converter/network
 */
export function nicElement(
  attributes: Readonly<Record<string, string>>,
  vmi: Vmi,
  one: VmiInterface,
  current: Element | undefined,
  own: readonly (NewElement | Element)[],
): NewElement {
  const children = [
    ...addressOf(one, current),
    leaf('model', { type: modelOf(vmi, one) }),
    ...(one.bootOrder === null ? [] : [leaf('boot', { order: `${one.bootOrder}` })]),
    ...(one.linkDown ? [leaf('link', { state: 'down' })] : []),
    leaf('alias', { name: aliasOf(one.name) }),
    ...romOf(vmi, one),
    ...(one.acpiIndex === 0 ? [] : [leaf('acpi', { index: `${one.acpiIndex}` })]),
    ...own,
  ];
  const place = ({ name }: NewElement | Element) => (ORDER.indexOf(name) + 1 || ORDER.length + 1) - 1;
  return {
    name: 'interface',
    attributes,
    children: children.toSorted((first, second) => place(first) - place(second)),
  };
}

/** The VMI's MAC address, if it has one. */
export function macOf({ mac }: VmiInterface): NewElement[] {
  return mac === null ? [] : [leaf('mac', { address: mac })];
}

/** What a virtio device needs to say in a guest whose memory is closed to it. */
export function iommuOf(vmi: Vmi, one: VmiInterface): Readonly<Record<string, string>> {
  return vmi.confidential && isVirtio(one) ? { iommu: 'on' } : {};
}

/** The VMI's; else the one that is there, so that the guest finds its device in the same slot after each pass. */
function addressOf({ pciAddress }: VmiInterface, current: Element | undefined): (NewElement | Element)[] {
  if (pciAddress !== null) return [leaf('address', pciAttributes(pciAddress))];
  return current === undefined ? [] : childrenNamed(current, 'address').slice(0, 1);
}

function pciAttributes({ domain, bus, slot, function: fn }: PciAddress): Record<string, string> {
  return { type: 'pci', domain: `0x${domain}`, bus: `0x${bus}`, slot: `0x${slot}`, function: `0x${fn}` };
}

/** virtio in the three forms that KubeVirt writes, or what else the VMI names. */
function modelOf(vmi: Vmi, { model }: VmiInterface): string {
  if (model !== null && model !== 'virtio') return model;
  if (vmi.architecture === 's390x') return 'virtio'; // its bus is not PCI: nothing to be transitional about
  return vmi.useVirtioTransitional ? 'virtio-transitional' : 'virtio-non-transitional';
}

/** No option ROM where nothing boots from it; never for a confidential guest, of which iPXE knows nothing. */
function romOf(vmi: Vmi, { bootOrder }: VmiInterface): NewElement[] {
  if (vmi.architecture === 's390x') return [];
  return bootOrder === null || vmi.confidential ? [leaf('rom', { enabled: 'no' })] : [];
}
