/** What a scan of the node's pods found, and how it differs from the scan before. */
import type { RecordedConflict } from '../../cni/bindings/tap/recorded-attachments.ts';
import type { LogLine } from '../../shared/log.ts';

/** A filter or program that may keep frames from the guest of a pod. */
export interface Finding extends Pick<RecordedConflict, 'link' | 'what' | 'verdict' | 'removal'> {
  readonly container: string;
  /** CNI_IFNAME of the ADD. */
  readonly ifname: string;
}

/** One network namespace of a scan. */
export interface Looked {
  readonly findings: readonly Finding[];
  /** False if the kernel tells more than is read, or refuses. */
  readonly isReadable: boolean;
}

/** By the name under which the network namespace is mounted. */
export type Scan = ReadonlyMap<string, Looked>;

/** Somebody in a pod could add thousands. */
export const MAX_PER_POD = 8;
/** Lines that one scan writes at most, so that the log of a node with one broken agent for all pods stays readable. */
const MAX_LINES = 20;

/**
 * The scan as it is remembered: a network namespace that cannot be read keeps its findings, so that nothing is reported again once
 * it can be. Pure.
 */
export const remember = (before: Scan, now: Scan): Scan =>
  new Map(
    [...now].map(([netns, looked]) => [
      netns,
      looked.isReadable ? looked : { ...looked, findings: findingsOf(netns, before) },
    ]),
  );

/** Lines about what came and what went between two remembered scans, each once. Pure. */
export function reportOf(before: Scan, now: Scan): readonly LogLine[] {
  const lines: LogLine[] = [
    ...differences(now, before).map(([netns, finding]) => appearance(netns, finding)),
    ...differences(before, now).map(([netns, finding]) => disappearance(netns, finding)),
    ...[...now.keys()]
      .filter((netns) => isUnreadable(netns, now) && !isUnreadable(netns, before))
      .map(unreadable),
  ];
  if (lines.length <= MAX_LINES) return lines;
  const more = lines.length - MAX_LINES;
  const message = `Found ${more} more changes of filters and programs in pods; tapwire inspect names all`;
  return [...lines.slice(0, MAX_LINES), { level: 'warn', message }];
}

/** How many findings there are of a verdict. Pure. */
export const countOf = (scan: Scan, verdict: Finding['verdict']): number =>
  [...scan.values()].flatMap(({ findings }) => findings).filter((finding) => finding.verdict === verdict)
    .length;

export const countUnreadable = (scan: Scan): number =>
  [...scan.values()].filter(({ isReadable }) => !isReadable).length;

const findingsOf = (netns: string, scan: Scan): readonly Finding[] => scan.get(netns)?.findings ?? [];

const isUnreadable = (netns: string, scan: Scan): boolean => scan.get(netns)?.isReadable === false;

/** Findings that only the first scan has. */
function differences(one: Scan, other: Scan): (readonly [string, Finding])[] {
  return [...one.keys()].flatMap((netns) => {
    const known = new Set(findingsOf(netns, other).map(keyOf));
    return findingsOf(netns, one)
      .filter((finding) => !known.has(keyOf(finding)))
      .map((finding) => [netns, finding] as const);
  });
}

const keyOf = ({ container, ifname, link, what, verdict }: Finding): string =>
  [container, ifname, link, what, verdict].join('\0');

function appearance(netns: string, finding: Finding): LogLine {
  const { link, what, verdict, removal } = finding;
  const message =
    verdict === 'deadly'
      ? `"${link}" has ${what} that takes its frames: the guest gets none; remove it, in the pod's netns: ${removal}`
      : `"${link}" has ${what}, which may keep frames from the guest; if the guest gets none, remove it`;
  return { level: verdict === 'deadly' ? 'error' : 'warn', message, fields: fieldsOf(netns, finding) };
}

const disappearance = (netns: string, finding: Finding): LogLine => ({
  level: 'info',
  message: `"${finding.link}" no longer has ${finding.what}`,
  fields: fieldsOf(netns, finding),
});

const unreadable = (netns: string): LogLine => ({
  level: 'warn',
  message: `Cannot look for conflicting filters in netns "${netns}": it has more links or filters than are read, or than the kernel can list; look with tapwire inspect`,
});

const fieldsOf = (netns: string, { container, ifname }: Finding) => ({ netns, container, ifname });
