/**
 * Tells whether the output of a step is that of its current input. A stamp next to the output has a
 * key of the input, and the size and time of each file of the output.
 */
import { createHash } from 'node:crypto';
import { globSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Size and time of files, by path. */
type States = Readonly<Record<string, string>>;

interface Stamp {
  readonly key: string;
  /** Relative to the directory. */
  readonly files: States;
  /** Files of the output that are elsewhere, relative to the current directory. */
  readonly outside: States;
}

/**
 * The key of an input.
 *
 * @param patterns of files whose names and contents count
 * @param facts anything else that the output depends on
 */
export function keyOf(patterns: readonly string[], facts: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const path of globSync([...patterns]).sort()) {
    if (lstatSync(path).isFile()) hash.update(`\0${path}\0`).update(readFileSync(path));
  }
  return hash.digest('hex');
}

/**
 * Whether the directory has the output of this input, and its files have not changed since. Other
 * files in it do not count.
 */
export function isUpToDate(directory: string, key: string): boolean {
  try {
    const stamp: Stamp = JSON.parse(readFileSync(stampOf(directory), 'utf8'));
    return stamp.key === key && areUnchanged(directory, stamp.files) && areUnchanged('.', stamp.outside);
  } catch {
    return false; // A file is missing, or the stamp is.
  }
}

/**
 * Writes the stamp of a finished output. Renaming the directory keeps it valid.
 *
 * @param outside files of the output that are elsewhere
 */
export function writeStamp(directory: string, key: string, outside: readonly string[] = []): void {
  const stamp: Stamp = {
    key,
    files: statesOf(directory, readdirSync(directory, { recursive: true, encoding: 'utf8' })),
    outside: statesOf('.', outside),
  };
  writeFileSync(stampOf(directory), JSON.stringify(stamp));
}

const stampOf = (directory: string): string => join(directory, '.stamp');

const statesOf = (directory: string, paths: readonly string[]): States =>
  Object.fromEntries(paths.map((path) => [path, stateOf(directory, path)]));

const areUnchanged = (directory: string, states: States): boolean =>
  Object.entries(states).every(([path, state]) => stateOf(directory, path) === state);

function stateOf(directory: string, path: string): string {
  const stat = lstatSync(resolve(directory, path));
  return stat.isDirectory() ? 'directory' : `${stat.size} ${stat.mtimeMs}`;
}
