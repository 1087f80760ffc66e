/**
 * The queues of a tap's NIC. The tap, not the VMI, decides whether there are several: libvirt's
 * TUNSETIFF fails for several queues on a single-queue tap, and for one queue on a multi-queue tap.
 */

import type { Wiring } from '../pod/wiring.ts';
import type { Vmi, VmiInterface } from '../vmi/vmi.ts';
import type { NewElement } from '../xml/markup.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';
import { iommuOf, isVirtio, unsupported } from './nic.ts';

/**
 * Minimum number of queues for a multi-queue tap. With only one, libvirt opens the tap without
 * IFF_MULTI_QUEUE, and the kernel refuses that.
 */
const MIN_MULTI_QUEUES = 2;

/**
 * Rejects a multi-queue tap for a NIC model that has one queue.
 *
 * @throws {BindingError} LINK_UNSUPPORTED
 */
export function refuseSingleQueueModel(one: VmiInterface, { tap }: Wiring): void {
  if (!tap.tun.multiQueue || isVirtio(one)) return;
  const remedy = 'use model virtio or a NAD without multiQueue';
  throw unsupported(
    one,
    `model ${one.model} has one queue, but "${tap.ifname}" is a multi-queue tap; ${remedy}`,
  );
}

/** Builds the `<driver>` element of a tap, with as many queues as the tap can be opened with. */
export function driverOf(vmi: Vmi, one: VmiInterface, { tap }: Wiring, current?: Element): NewElement[] {
  const queues = tap.tun.multiQueue ? Math.max(vmi.queues, MIN_MULTI_QUEUES) : null;
  return driverElement(vmi, one, queues, current);
}

/**
 * Builds the `<driver>` element. All attributes but the number of queues stay, except for the empty
 * `name` that virt-launcher adds when it reads and writes the domain.
 *
 * @param queues number of queues; null to name none
 */
export function driverElement(
  vmi: Vmi,
  one: VmiInterface,
  queues: number | null,
  current?: Element,
): NewElement[] {
  const driver = current === undefined ? undefined : childrenNamed(current, 'driver')[0];
  const { name, queues: _, ...kept } = driver?.attributes ?? {};
  const iommu = iommuOf(vmi, one);
  const attributes = {
    ...(name ? { name } : queues !== null || iommu['iommu'] ? { name: 'vhost' } : {}),
    ...(queues === null ? {} : { queues: `${queues}` }),
    ...kept,
    ...iommu,
  };
  const children = driver?.children ?? [];
  return Object.keys(attributes).length + children.length === 0
    ? []
    : [{ name: 'driver', attributes, children }];
}

/** Warns of a VMI that asks for several queues on a single-queue tap. */
export function queueWarnings(vmi: Vmi, one: VmiInterface, { tap }: Wiring): string[] {
  if (vmi.queues <= 1 || tap.tun.multiQueue || !isVirtio(one)) return [];
  return [
    `the VMI asks for ${vmi.queues} queues, but "${tap.ifname}" has one, so the guest gets one; use a NAD with multiQueue`,
  ];
}
