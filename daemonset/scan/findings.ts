/** The results of a scan of the node's pods, and their differences from the previous scan. */
import type { RecordedConflict } from '../../cni/bindings/tap/recorded-attachments.ts';
import type { LogLine } from '../../shared/log.ts';
import type { ScannedGuest } from './guest-counts.ts';

/** A filter or program that may keep frames from a pod's guest. */
export interface PodConflict extends Pick<RecordedConflict, 'link' | 'what' | 'verdict' | 'removal'> {
  readonly container: string;
  /** CNI_IFNAME of the ADD. */
  readonly ifname: string;
}

/** One network namespace of a scan. */
export interface ScannedNetns {
  readonly findings: readonly PodConflict[];
  readonly guests: readonly ScannedGuest[];
  /** False if the netns has more links or filters than a scan reads, or the kernel refused. */
  readonly isReadable: boolean;
}

/** Results by the file name under which the netns is mounted. */
export type Scan = ReadonlyMap<string, ScannedNetns>;

/** Findings reported per pod: a process in the pod could add thousands of filters. */
export const MAX_PER_POD = 8;
/** Log lines per scan: keeps the log readable if another agent adds a filter to every pod. */
const MAX_LINES = 20;

/**
 * Merges a scan with the previous one: a netns that cannot be read keeps its earlier findings and
 * guests, so that they are not reported again when it can be read. Pure.
 */
export const remember = (before: Scan, now: Scan): Scan =>
  new Map(
    [...now].map(([netns, looked]) => [
      netns,
      looked.isReadable
        ? looked
        : { ...looked, findings: findingsOf(netns, before), guests: guestsOf(netns, before) },
    ]),
  );

/** Log lines for findings that are new or gone since the previous merged scan. Pure. */
export function reportOf(before: Scan, now: Scan): readonly LogLine[] {
  const lines: LogLine[] = [
    ...differences(now, before).map(([netns, finding]) => appearance(netns, finding)),
    ...differences(before, now).map(([netns, finding]) => disappearance(netns, finding)),
    ...[...now.keys()]
      .filter((netns) => isUnreadable(netns, now) && !isUnreadable(netns, before))
      .map(unreadable),
    ...guestLines(before, now),
  ];
  if (lines.length <= MAX_LINES) return lines;
  const more = lines.length - MAX_LINES;
  const message = `Found ${more} more changes in pods; run tapwire inspect to list all filters and programs`;
  return [...lines.slice(0, MAX_LINES), { level: 'warn', message }];
}

/** Number of findings with a verdict. Pure. */
export const countOf = (scan: Scan, verdict: PodConflict['verdict']): number =>
  [...scan.values()].flatMap(({ findings }) => findings).filter((finding) => finding.verdict === verdict)
    .length;

export const countUnreadable = (scan: Scan): number =>
  [...scan.values()].filter(({ isReadable }) => !isReadable).length;

/** Whether a guest runs that no sidecar serves. */
const isUnserved = ({ isRunning, counts }: ScannedGuest): boolean => isRunning && counts === null;

const allGuests = (scan: Scan): readonly ScannedGuest[] => [...scan.values()].flatMap(({ guests }) => guests);

export const countServed = (scan: Scan): number =>
  allGuests(scan).filter(({ counts }) => counts !== null).length;

export const countUnserved = (scan: Scan): number => allGuests(scan).filter(isUnserved).length;

const guestsOf = (netns: string, scan: Scan): readonly ScannedGuest[] => scan.get(netns)?.guests ?? [];

const findingsOf = (netns: string, scan: Scan): readonly PodConflict[] => scan.get(netns)?.findings ?? [];

const isUnreadable = (netns: string, scan: Scan): boolean => scan.get(netns)?.isReadable === false;

/** Findings in the first scan but not in the other. */
function differences(one: Scan, other: Scan): (readonly [string, PodConflict])[] {
  return [...one.keys()].flatMap((netns) => {
    const known = new Set(findingsOf(netns, other).map(keyOf));
    return findingsOf(netns, one)
      .filter((finding) => !known.has(keyOf(finding)))
      .map((finding) => [netns, finding] as const);
  });
}

const keyOf = ({ container, ifname, link, what, verdict }: PodConflict): string =>
  [container, ifname, link, what, verdict].join('\0');

function appearance(netns: string, finding: PodConflict): LogLine {
  const { link, what, verdict, removal } = finding;
  const message =
    verdict === 'deadly'
      ? `"${link}" has ${what} that takes its frames: the guest receives none; in the pod's netns, run: ${removal}`
      : `"${link}" has ${what}, which may keep frames from the guest; if the guest receives none, remove it`;
  return { level: verdict === 'deadly' ? 'error' : 'warn', message, fields: fieldsOf(netns, finding) };
}

const disappearance = (netns: string, finding: PodConflict): LogLine => ({
  level: 'info',
  message: `"${finding.link}" no longer has ${finding.what}`,
  fields: fieldsOf(netns, finding),
});

const unreadable = (netns: string): LogLine => ({
  level: 'warn',
  message: `Cannot look for conflicting filters in netns "${netns}": it has more links or filters than a scan reads, or than the kernel can list; run tapwire inspect for it`,
});

/** Guests that are unserved since this scan, or were so in the previous one and are served now. */
const guestLines = (before: Scan, now: Scan): readonly LogLine[] =>
  [...now.keys()].flatMap((netns) => {
    const earlier = new Map(guestsOf(netns, before).map((guest) => [guest.tap, isUnserved(guest)]));
    return guestsOf(netns, now).flatMap((guest): LogLine[] => {
      const [was, is] = [earlier.get(guest.tap) ?? false, isUnserved(guest)];
      const fields = fieldsOf(netns, guest);
      if (is && !was) return [{ level: 'warn', message: unservedMessage(guest), fields }];
      if (!was || guest.counts === null) return [];
      return [{ level: 'info', message: `A sidecar serves the guest of "${guest.tap}"`, fields }];
    });
  });

const unservedMessage = ({ tap }: ScannedGuest): string =>
  `No sidecar serves the guest of "${tap}", so that it gets no address; see the log of the pod's sidecar`;

const fieldsOf = (netns: string, { container, ifname }: Pick<PodConflict, 'container' | 'ifname'>) => ({
  netns,
  container,
  ifname,
});
