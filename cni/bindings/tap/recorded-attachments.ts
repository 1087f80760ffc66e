import { readRecord, type TapRecord } from '../../../shared/record.ts';
import type { Link } from '../../../shared/rtnetlink/link.ts';
import { isHashed } from '../../plan/ours.ts';
import type { IndexedNetns } from '../../plan/seen.ts';
import type { Conflict } from './conflicts.ts';
import { type AttachmentNames, type Ends, endsOf } from './ends.ts';

/** An attachment of a tap as the record on the tap describes it. */
export interface RecordedAttachment {
  readonly link: Link;
  readonly record: TapRecord;
}

/** Finds all attachments of taps that have a record on one of these links. Pure. */
export function recordedAttachments(links: readonly Link[]): readonly RecordedAttachment[] {
  return links.flatMap((link) => {
    const record = readRecord(link);
    return record?.binding === 'tap' ? [{ link, record }] : [];
  });
}

export const namesOf = ({ link, record: { key, podLink } }: RecordedAttachment): AttachmentNames => ({
  key,
  podLink,
  tap: link.ifname,
});

/** Ifnames of both ends of each attachment, whether or not the pod link still exists. */
export const endNamesOf = (attachments: readonly RecordedAttachment[]): readonly string[] =>
  attachments.flatMap(({ link, record }) => [record.podLink, link.ifname]);

/** Finds both ends of an attachment. */
export const endsOfRecorded = (attachment: RecordedAttachment, seen: IndexedNetns): Ends =>
  endsOf(namesOf(attachment), seen);

/** A conflict at one end of an attachment. */
export interface RecordedConflict extends Conflict {
  /** Ifname. */
  readonly link: string;
}

/**
 * What may keep frames from either end. A record with a hashed container id cannot tell our own
 * filter from others.
 */
export function conflictsOf({ record }: RecordedAttachment, { pod, tap }: Ends): readonly RecordedConflict[] {
  if (isHashed(record.key)) return [];
  return [pod, tap]
    .filter((end) => end !== null)
    .flatMap(({ link, conflicts }) => conflicts.map((conflict) => ({ ...conflict, link: link.ifname })));
}
