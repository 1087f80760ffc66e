import { readRecord, type TapRecord } from '../../../shared/record.ts';
import type { Link, TunDetails } from '../../../shared/rtnetlink/link.ts';
import { isHashed } from '../../plan/ours.ts';
import type { NetnsState } from '../../plan/seen.ts';
import { type Conflict, findConflicts } from './conflicts.ts';

/** An attachment of the tap binding as its tap's record describes it. */
export interface RecordedWire {
  readonly tap: Link & { readonly tun: TunDetails };
  readonly record: TapRecord;
  /** Undefined if it no longer exists. */
  readonly pod: Link | undefined;
}

/** All attachments that taps of a netns have records of. Pure. */
export function recordedWires(links: readonly Link[]): readonly RecordedWire[] {
  const byName = new Map(links.map((link) => [link.ifname, link]));
  return links.flatMap((tap) => {
    const record = readRecord(tap);
    if (record === null || tap.tun === null) return [];
    return [{ tap: { ...tap, tun: tap.tun }, record, pod: byName.get(record.podLink) }];
  });
}

/** The links of wires, of which frames come in at either. */
export const endsOf = (wires: readonly RecordedWire[]): readonly Link[] =>
  wires.flatMap(({ tap, pod }) => (pod === undefined ? [tap] : [pod, tap]));

/** A conflict at one end of a wire. */
export interface RecordedConflict extends Conflict {
  /** Ifname. */
  readonly link: string;
}

/** What may keep frames from either end of a wire. Of a record with half a key our own filter cannot be told from others. */
export function conflictsOf(wire: RecordedWire, seen: NetnsState): readonly RecordedConflict[] {
  const { key } = wire.record;
  if (isHashed(key)) return [];
  return endsOf([wire]).flatMap((link) =>
    findConflicts(link, key, seen).map((conflict) => ({ ...conflict, link: link.ifname })),
  );
}
