import { BindingError } from '../../shared/errors.ts';
import { canonicalMac } from '../../shared/mac.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';
import type { RenderedInterface } from './bound-interface.ts';

/**
 * Rejects a written interface that has the same MAC address as another interface of the domain. On
 * one network, neither could be reached reliably, and guests and virt-launcher identify interfaces
 * by MAC address. The pod link may have the same address, because the redirect takes each frame
 * before the pod sees it.
 *
 * @throws {BindingError} INVALID_VMI
 */
export function refuseSharedMac(devices: Element, rendered: readonly RenderedInterface[]): void {
  /** Maps each MAC address to the interface that has it. */
  const owners = new Map<string, string>();
  const replaced = new Set(rendered.map(({ current }) => current));
  for (const other of childrenNamed(devices, 'interface')) {
    if (!replaced.has(other)) owners.set(macOf(other), aliasOf(other));
  }
  for (const { name, next } of rendered) {
    const mac = macOf(next);
    const owner = owners.get(mac);
    if (mac !== '' && owner !== undefined) {
      const remedy = 'give each interface its own macAddress in the VMI';
      throw new BindingError(
        'INVALID_VMI',
        `Cannot bind interface "${name}": interface "${owner}" has the same MAC address ${mac}; ${remedy}`,
      );
    }
    owners.set(mac, name);
  }
}

type ElementLike = Pick<Element, 'name' | 'attributes'> & { readonly children?: readonly ElementLike[] };

/**
 * Returns the MAC address in canonical form; empty if libvirt is to generate it. Pads single
 * digits, because libvirt also accepts `2:0:0:0:0:1`.
 */
function macOf(node: ElementLike): string {
  const text = attributeOf(node, 'mac', 'address').toLowerCase();
  const padded = text.replace(/(?<=^|:)[0-9a-f](?=:|$)/g, '0$&');
  return canonicalMac(padded) ?? text;
}

function aliasOf(node: ElementLike): string {
  return attributeOf(node, 'alias', 'name').replace(/^ua-/, '');
}

function attributeOf({ children = [] }: ElementLike, child: string, attribute: string): string {
  return children.find(({ name }) => name === child)?.attributes[attribute] ?? '';
}
