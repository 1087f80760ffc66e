import { findFloor } from '../../cni/bindings/tap/floor.ts';
import type { RecordedAttachment } from '../../cni/bindings/tap/recorded-attachments.ts';
import { isRulePref } from '../../cni/plan/rule-set.ts';
import { isHashTable } from '../../shared/rtnetlink/filter.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import type { Guard, Passage } from './inspection.ts';
import type { Seen } from './seen.ts';

/**
 * Describes what ADD arranged between guest, pod and network; null if every frame passes. Pure.
 *
 * @param table name of the attachment's nftables tables; null: unknown
 */
export function describePassage(
  { link, record }: RecordedAttachment,
  table: string | null,
  seen: Seen,
): Passage | null {
  const { serves, guard } = record.passage;
  if (!serves && guard === 'off') return null;
  const counts = table === null ? null : findFloor(table, serves, seen.nftables).counts;
  return {
    services: serves
      ? {
          served: counts?.served ?? null,
          isolated: counts?.isolated ?? null,
          router: seen.routers.get(link.ifname) ?? null,
        }
      : null,
    guard: guard === 'off' ? null : { compares: guard, form: formOf(link, seen) },
    // A program drops frames itself. What u32 filters drop, they leave to nftables.
    dropped: counts === null ? null : counts.dropped.packets + (seen.drops.get(link.ifindex) ?? 0),
  };
}

/** A record may hold only a hash of the key that the filters are marked with, so all count. */
function formOf({ ifindex }: Link, { byIfindex }: Seen): Guard['form'] {
  const rules = byIfindex
    .get(ifindex)
    ?.filters.filter(
      (filter) => filter.direction === 'ingress' && isRulePref(filter.pref) && !isHashTable(filter),
    );
  if (rules === undefined || rules.length === 0) return null;
  return rules.some(({ kind }) => kind === 'bpf') ? 'program' : 'filters';
}
