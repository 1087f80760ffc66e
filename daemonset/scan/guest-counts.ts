/** What the guest services of pods count, and their sums over the pods of the node. Pure. */
import { get, isObject } from '../../shared/json.ts';

/** The messages that a sidecar counts, by protocol and result. A pod cannot add others. */
export const MESSAGES = [
  ['DHCPv4', 'OFFER'],
  ['DHCPv4', 'ACK'],
  ['DHCPv4', 'NAK'],
  ['DHCPv4', 'ignored'],
  ['DHCPv4', 'rejected'],
  ['DHCPv4', 'dropped'],
  ['DHCPv4', 'failed'],
  ['DHCPv6', 'Advertise'],
  ['DHCPv6', 'Reply'],
  ['DHCPv6', 'ignored'],
  ['DHCPv6', 'rejected'],
  ['DHCPv6', 'dropped'],
  ['DHCPv6', 'failed'],
  ['RA', 'Solicitation'],
  ['RA', 'Advertisement'],
  ['RA', 'failed'],
] as const;

/** Numbers in the order of MESSAGES. */
export type Counts = readonly number[];

/** A guest whose NAD asks for guest services, as a scan found it. */
export interface ScannedGuest {
  readonly container: string;
  /** CNI_IFNAME of the ADD. */
  readonly ifname: string;
  readonly tap: string;
  /** Whether a VM has the tap open. */
  readonly isRunning: boolean;
  /** What the sidecar counts for this tap; null if none says that it serves it. */
  readonly counts: Counts | null;
}

/**
 * Greatest number that is believed. A made-up one then cannot exhaust the precision of the sums: a
 * pod that reports it at each scan takes years.
 */
const MAX_COUNT = 2 ** 32;
const NONE: Counts = MESSAGES.map(() => 0);

/**
 * Decodes the answer of a sidecar, which any process of the pod can make up: `{ "tap0": { "DHCPv4
 * ACK": 2 } }`. A number that is missing or not valid is 0.
 *
 * @returns only those of the taps that the answer names
 */
export function decodeCounts(answer: Buffer | null, taps: readonly string[]): ReadonlyMap<string, Counts> {
  const counts = new Map<string, Counts>();
  const content = parse(answer);
  for (const tap of taps) {
    const numbers = get(content, tap);
    if (!isObject(numbers)) continue;
    counts.set(
      tap,
      MESSAGES.map(([protocol, result]) => numberOf(get(numbers, `${protocol} ${result}`))),
    );
  }
  return counts;
}

function parse(answer: Buffer | null): unknown {
  try {
    return answer === null ? null : JSON.parse(answer.toString());
  } catch {
    return null;
  }
}

const numberOf = (value: unknown): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT ? value : 0;

/** What has been counted on the node since the agent started, and what it is compared with. */
export interface NodeCounts {
  /** Never decrease. */
  readonly totals: Counts;
  /**
   * The last counts of each guest; null for one that has not told any since the agent started. Null
   * before the first scan.
   */
  readonly last: ReadonlyMap<string, Counts | null> | null;
}

export const NOTHING_COUNTED: NodeCounts = { totals: NONE, last: null };

/**
 * Adds what has been counted since the scan before. The first scan only finds out where to begin,
 * so that a restart of the agent counts nothing again.
 *
 * @param pods guests by netns
 */
export function addScan(
  { totals, last }: NodeCounts,
  pods: ReadonlyMap<string, { readonly guests: readonly ScannedGuest[] }>,
): NodeCounts {
  const next = new Map<string, Counts | null>();
  let sum = totals;
  for (const [netns, { guests }] of pods) {
    for (const { tap, counts } of guests) {
      const key = `${netns}\0${tap}`;
      const before = last?.get(key) ?? (last === null || last.has(key) ? null : NONE);
      next.set(key, counts ?? before);
      if (counts === null || before === null) continue;
      const increase = increaseOf(before, counts);
      sum = sum.map((total, i) => total + (increase[i] ?? 0));
    }
  }
  return { totals: sum, last: next };
}

/** A sidecar that has started again counts from 0, which shows if any of its numbers is lower. */
function increaseOf(before: Counts, now: Counts): Counts {
  const since = now.map((count, i) => count - (before[i] ?? 0));
  return since.some((increase) => increase < 0) ? now : since;
}
