/** Warnings about a pod that ADD wires anyway. */

import type { Attachment } from './attachment.ts';
import type { Ends } from './ends.ts';
import { type GuestFacts, NO_FACTS } from './guest-facts.ts';
import { SILENCE_OPTIONS } from './silence.ts';

/** Finds what to warn of: a sentence each, with the link. Pure. */
export function findWarnings(
  { podLink, tap, conf }: Attachment,
  { pod, silence }: Ends,
  { ipv4, ipv6 }: Pick<GuestFacts, 'ipv4' | 'ipv6'> = NO_FACTS,
): readonly string[] {
  const { refusal } = silence;
  return [
    ...(pod?.link.kind === 'tun' && !pod.link.hasCarrier ? [warnOfTap(podLink)] : []),
    ...(conf.guestAddresses === 'pod' && ipv4.length + ipv6.length === 0 ? [warnOfNoAddresses(podLink)] : []),
    ...(refusal === null
      ? []
      : [warnOfSound(`Cannot silence the pod's own stack on "${podLink}" and "${tap}": ${refusal}`)]),
  ];
}

const warnOfNoAddresses = (podLink: string): string =>
  `Pod link "${podLink}" has no addresses to tell the guest, and with "guestAddresses": "pod" no other server may; ` +
  'add "ipam" to the plugin that creates the link, or remove the key';

/**
 * Warns if the NAD now asks for more than the ADD of this pod did, because an earlier version did
 * not know the keys, or because the NAD was changed. Pure.
 */
export function warnOfOlderPassage({ tap, conf }: Attachment, ends: Ends): readonly string[] {
  const record = ends.tap?.record ?? null;
  if (record === null) return [];
  const { serves, guard } = record.passage;
  const missing = [
    ...(conf.guestAddresses === 'pod' && !serves ? ['"guestAddresses": "pod"'] : []),
    ...(conf.spoofGuard !== 'off' && guard !== conf.spoofGuard ? [`"spoofGuard": "${conf.spoofGuard}"`] : []),
  ];
  if (missing.length === 0) return [];
  return [
    `Tap "${tap}" was wired without ${missing.join(' and ')}, before the NAD said so or by an earlier version; restart the VM`,
  ];
}

const warnOfTap = (podLink: string): string =>
  `Pod link "${podLink}" is a tap that no process has open, so that no frame passes; check the plugin that creates it`;

/** @param failure why the rules could not be added */
export const warnOfSound = (failure: string): string =>
  `${failure}; until the guest is up, frames with the VM's MAC may come from the pod's own stack` +
  (failure.includes(SILENCE_OPTIONS) ? '' : `; check that the kernel has ${SILENCE_OPTIONS}`);
