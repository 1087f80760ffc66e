/** The parts of a domain interface that do not depend on its binding. */

import { BindingError } from '../../shared/errors.ts';
import type { PciAddress } from '../vmi/interface.ts';
import type { Vmi, VmiInterface } from '../vmi/vmi.ts';
import type { NewElement } from '../xml/markup.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';

/** Order in which virt-launcher writes the children; libvirt accepts any order. */
const ORDER = 'address source target model mac mtu boot link alias driver rom acpi backend portForward'.split(
  ' ',
);

/** Returns libvirt's user alias of a VMI interface. KubeVirt finds the interface by this alias. */
export function aliasOf(interfaceName: string): string {
  return `ua-${interfaceName}`;
}

export function isVirtio({ model }: VmiInterface): boolean {
  return model === null || model.startsWith('virtio');
}

/** Creates an element without children. */
export function leaf(name: string, attributes: Readonly<Record<string, string>>): NewElement {
  return { name, attributes };
}

/**
 * Creates a domain interface from what the VMI says of every interface and what the binding adds.
 *
 * @param current the interface in the domain; undefined if the domain does not have it yet
 * @param own the binding's children; none may be an `address`, `model`, `boot`, `link`, `alias`,
 *   `rom` or `acpi`
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

/** An error for an interface that cannot work on the pod's links. */
export function unsupported({ name }: VmiInterface, reason: string): BindingError {
  return new BindingError('LINK_UNSUPPORTED', `Cannot bind interface "${name}": ${reason}`);
}

/**
 * Returns the attribute that a virtio device needs if devices cannot read the guest's memory
 * directly.
 */
export function iommuOf(vmi: Vmi, one: VmiInterface): Readonly<Record<string, string>> {
  return vmi.confidential && isVirtio(one) ? { iommu: 'on' } : {};
}

/**
 * Returns the VMI's PCI address, or else the current one, so that the guest finds its device in the
 * same slot after each call.
 */
function addressOf({ pciAddress }: VmiInterface, current: Element | undefined): (NewElement | Element)[] {
  if (pciAddress !== null) return [leaf('address', pciAttributes(pciAddress))];
  return current === undefined ? [] : childrenNamed(current, 'address').slice(0, 1);
}

function pciAttributes({ domain, bus, slot, function: fn }: PciAddress): Record<string, string> {
  return { type: 'pci', domain: `0x${domain}`, bus: `0x${bus}`, slot: `0x${slot}`, function: `0x${fn}` };
}

/**
 * Returns the model that the VMI names. For virtio, returns one of the three forms that KubeVirt
 * writes.
 */
function modelOf(vmi: Vmi, { model }: VmiInterface): string {
  if (model !== null && model !== 'virtio') return model;
  if (vmi.architecture === 's390x') return 'virtio'; // transitional devices exist only on PCI
  return vmi.useVirtioTransitional ? 'virtio-transitional' : 'virtio-non-transitional';
}

/**
 * Disables the option ROM unless the guest can boot from the interface. A confidential guest never
 * gets one, because iPXE does not support such guests.
 */
function romOf(vmi: Vmi, { bootOrder }: VmiInterface): NewElement[] {
  if (vmi.architecture === 's390x') return [];
  return bootOrder === null || vmi.confidential ? [leaf('rom', { enabled: 'no' })] : [];
}
