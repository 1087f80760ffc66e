/** The MAC address of the guest's NIC. */

import { filtersUnicast } from '../../shared/rtnetlink/link-kind.ts';
import type { Wiring } from '../pod/wiring.ts';
import type { VmiInterface } from '../vmi/vmi.ts';
import type { NewElement } from '../xml/markup.ts';
import { leaf, unsupported } from './nic.ts';

export const macElement = (address: string): NewElement => leaf('mac', { address });

/** Returns the VMI's MAC address as an element; empty if the VMI sets none. */
export function requestedMac({ mac }: VmiInterface): NewElement[] {
  return mac === null ? [] : [macElement(mac)];
}

/**
 * Returns the VMI's MAC address, or that of the pod link if the VMI sets none.
 *
 * @throws {BindingError} LINK_UNSUPPORTED
 */
export function guestMac(one: VmiInterface, { podLink }: Pick<Wiring, 'podLink'>): string {
  const mac = one.mac ?? podLink.mac;
  if (mac === '')
    throw unsupported(one, `neither the VMI nor pod link "${podLink.ifname}" has a MAC address`);
  return mac;
}

/** Warns of a MAC address whose frames the pod link's driver may drop. */
export function macWarnings(mac: string, { podLink }: Pick<Wiring, 'podLink'>): string[] {
  if (mac === podLink.mac || !filtersUnicast(podLink)) return [];
  return [
    `pod link "${podLink.ifname}" (${podLink.kind ?? 'a physical device'}) has MAC address ${podLink.mac} and may drop frames to ` +
      `the guest's ${mac}; let the network's CNI plugin set this address, or remove macAddress from the VMI`,
  ];
}
