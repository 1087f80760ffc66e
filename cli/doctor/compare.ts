import { INVENTORY, type Inventory, isSame } from '../../daemonset/install/inventory.ts';
import type { Comparison } from './facts.ts';

/** A file or directory of the fallback as it is on the disk. */
export interface FoundEntry {
  /** Relative to the fallback's directory, which is ".". */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'other';
  readonly uid: number;
  /** Permissions. */
  readonly mode: number;
  /** Null unless it is a regular file of the inventory. */
  readonly sha256: string | null;
}

const WRITABLE_BY_OTHERS = 0o022;

/** Whether only root can write to it. */
export const isRootsAlone = ({ uid, mode }: Pick<FoundEntry, 'uid' | 'mode'>): boolean =>
  uid === 0 && (mode & WRITABLE_BY_OTHERS) === 0;

/** Compares the inventory with the files on the disk. Pure. */
export function compare(wanted: Inventory['runtime'], found: readonly FoundEntry[]): Comparison {
  const byPath = new Map(found.map((entry) => [entry.path, entry]));
  const paths = Object.keys(wanted).sort();
  const ours = new Set(['.', INVENTORY, ...paths, ...paths.flatMap(parentsOf)]);
  return {
    missing: paths.filter((path) => !byPath.has(path)),
    changed: paths.filter((path) => {
      const entry = byPath.get(path);
      return entry !== undefined && !isSame(wanted[path], { sha256: entry.sha256 ?? '', mode: entry.mode });
    }),
    foreign: found
      .map(({ path }) => path)
      .filter((path) => !ours.has(path))
      .sort(),
    writable: found
      .filter((entry) => entry.kind !== 'other' && !isRootsAlone(entry))
      .map(({ path }) => path)
      .sort(),
  };
}

/** `a/b/c` is in `a` and `a/b`. */
const parentsOf = (path: string): readonly string[] =>
  path.split('/').flatMap((_, i, names) => (i === 0 ? [] : [names.slice(0, i).join('/')]));
