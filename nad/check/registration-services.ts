import { show } from '../../shared/decode.ts';
import { type Finding, failure } from './finding.ts';
import type { NadIndex } from './nad-index.ts';
import { wiredByReference } from './reference.ts';
import type { Registered } from './registrations.ts';

/**
 * Finds a registration whose NAD leaves it to the sidecar to tell the guest its addresses, but
 * whose sidecar is missing, or of another project. Images of unknown names may be Tapwire's.
 */
export function checkServices({ name, plugin, at }: Registered, nads: NadIndex): readonly Finding[] {
  const reference = plugin['networkAttachmentDefinition'];
  if (!wiredByReference(reference, null, nads)?.servesGuest) return [];
  const image = plugin['sidecarImage'];
  const place = at('sidecarImage');
  const subject = `binding "${name}": NetworkAttachmentDefinition "${reference}" has "guestAddresses": "pod"`;
  if (image === undefined || image === null || image === '') {
    const reason = "but no sidecar tells the guest its addresses; write sidecarImage, with Tapwire's image";
    return [failure(place, `${subject}, ${reason}`)];
  }
  if (typeof image !== 'string' || !FOREIGN.test(image)) return [];
  const reason = `but sidecarImage ${show(image)} does not tell the guest its addresses; write Tapwire's image`;
  return [failure(place, `${subject}, ${reason}`)];
}

/**
 * Images of KubeVirt's own sidecars, in any registry.
 *
 * Source: kubevirt cmd/sidecars
 */
const FOREIGN = /(?:^|\/)(?:network-[\w-]+-binding|sidecar-shim|example-[\w-]*hook-sidecar)(?:[:@]|$)/;
