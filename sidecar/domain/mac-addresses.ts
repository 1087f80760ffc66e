import { BindingError } from '../../shared/errors.ts';
import { canonicalMac } from '../../shared/mac.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';
import type { RenderedInterface } from './bound-interface.ts';

/**
 * Refuses an interface of ours with the MAC address of another: on one network neither would be reached reliably, and guests
 * and virt-launcher alike tell interfaces apart by it. With the pod link's own it is no conflict: the redirect takes every
 * frame off the link before the pod sees it.
 *
 * @throws {BindingError} INVALID_VMI
 */
export function refuseSharedMac(devices: Element, rendered: readonly RenderedInterface[]): void {
  /** MAC address => the interface that has it. */
  const owners = new Map<string, string>();
  const ours = new Set(rendered.map(({ current }) => current));
  for (const other of childrenNamed(devices, 'interface')) {
    if (!ours.has(other)) owners.set(macOf(other), aliasOf(other));
  }
  for (const { name, next } of rendered) {
    const mac = macOf(next);
    const owner = owners.get(mac);
    if (mac !== '' && owner !== undefined) {
      const remedy = 'give each interface a macAddress of its own in the VMI';
      throw new BindingError(
        'INVALID_VMI',
        `Cannot bind interface "${name}": interface "${owner}" has its MAC address ${mac}, too; ${remedy}`,
      );
    }
    owners.set(mac, name);
  }
}

type Node = Pick<Element, 'name' | 'attributes'> & { readonly children?: readonly Node[] };

/** In canonical form; empty for an interface whose address libvirt makes up. libvirt also reads `2:0:0:0:0:1`. */
function macOf(node: Node): string {
  const text = attributeOf(node, 'mac', 'address').toLowerCase();
  const padded = text.replace(/(?<=^|:)[0-9a-f](?=:|$)/g, '0$&');
  return canonicalMac(padded) ?? text;
}

function aliasOf(node: Node): string {
  return attributeOf(node, 'alias', 'name').replace(/^ua-/, '');
}

function attributeOf({ children = [] }: Node, child: string, attribute: string): string {
  return children.find(({ name }) => name === child)?.attributes[attribute] ?? '';
}
