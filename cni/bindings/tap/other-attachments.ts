import { BindingError } from '../../../shared/errors.ts';
import { hashedPodIfname } from '../../../shared/kubevirt/names.ts';
import { readRecord, type TapRecord } from '../../../shared/record.ts';
import type { Link } from '../../../shared/rtnetlink/link.ts';
import { tapRecordOf } from '../../plan/ours.ts';
import type { Attachment } from './attachment.ts';
import type { Ends } from './ends.ts';

/**
 * Rejects an attachment whose tap or pod link belongs to another attachment of this pod. Then a
 * secondary network has no link of its own and was taken for the primary one: nothing else that ADD
 * sees says which network is primary.
 *
 * @throws {BindingError} LINK_EXISTS that names both attachments
 */
export function refuseOtherAttachment(attachment: Attachment, { pod, tap }: Ends): void {
  const record = tap === null ? null : recordOfOther(tap.link, attachment);
  if (record !== null) throw refusal(attachment, record, attachment.tap);

  // A tap to which the pod link is not redirected is a harmless remainder.
  for (const link of pod?.targets ?? []) {
    const other = recordOfOther(link, attachment);
    if (other?.podLink === attachment.podLink) throw refusal(attachment, other, link.ifname);
  }
}

/** Reads the record of a link that belongs to another attachment of the same container. */
function recordOfOther(link: Link, { key }: Attachment): TapRecord | null {
  const record = readRecord(link);
  if (record === null || record.key.ifname === key.ifname) return null;
  return tapRecordOf(link, { ...key, ifname: record.key.ifname });
}

function refusal({ key, podLink, conf }: Attachment, other: TapRecord, tap: string): BindingError {
  const { logicNetworkName: network } = conf;
  const subject = network === null ? `attachment "${key.ifname}"` : `network "${network}" ("${key.ifname}")`;
  const reason = `attachment "${other.key.ifname}" of this pod has wired "${other.podLink}" to "${tap}" already`;
  const advice =
    network === null || podLink === hashedPodIfname(network)
      ? 'run Tapwire once for each network, by its binding or by its NetworkAttachmentDefinition'
      : `network "${network}" has no link "${hashedPodIfname(network)}" of its own in the pod, so it was taken for the primary one: ` +
        'name a network that makes a link, and bind the primary network once';
  return new BindingError('LINK_EXISTS', `Cannot wire ${subject} to "${podLink}": ${reason}; ${advice}`);
}
