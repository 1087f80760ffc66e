/** Warnings about a pod that ADD wires anyway. */

import type { Attachment } from './attachment.ts';
import type { Ends } from './ends.ts';
import { SILENCE_OPTIONS } from './silence.ts';

/** Finds what to warn of: a sentence each, with the link. Pure. */
export function findWarnings({ podLink, tap }: Attachment, { pod, silence }: Ends): readonly string[] {
  const { refusal } = silence;
  return [
    ...(pod?.link.kind === 'tun' && !pod.link.hasCarrier ? [warnOfTap(podLink)] : []),
    ...(refusal === null
      ? []
      : [warnOfSound(`Cannot silence the pod's own stack on "${podLink}" and "${tap}": ${refusal}`)]),
  ];
}

const warnOfTap = (podLink: string): string =>
  `Pod link "${podLink}" is a tap that no process has open, so that no frame passes; check the plugin that creates it`;

/** @param failure why the rules could not be added */
export const warnOfSound = (failure: string): string =>
  `${failure}; until the guest is up, frames with the VM's MAC may come from the pod's own stack` +
  (failure.includes(SILENCE_OPTIONS) ? '' : `; check that the kernel has ${SILENCE_OPTIONS}`);
