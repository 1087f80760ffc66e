import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  FALLBACK,
  INVENTORY,
  type Inventory,
  parseInventory,
  VERSION_DIRECTORY,
} from '../../daemonset/install/inventory.ts';
import { compare, type FoundEntry } from './compare.ts';
import type { Comparison } from './facts.ts';
import { hashFile, readText } from './read-file.ts';

/** Bounds of the work. The installer writes much less: about 20 files, 130 MB and two versions. */
const MAX_ENTRIES = 1000;
const MAX_BYTES = 1024 * 1024 * 1024;
const MAX_INVENTORY = 1024 * 1024; // bytes
const MAX_VERSIONS = 20;

/** SHA-256 of a file in hex; null if it cannot be read. */
export function digestOf(path: string): string | null {
  try {
    return hashFile(path, MAX_BYTES);
  } catch {
    return null;
  }
}

/** Reads the inventory of each installed version in the directory of CNI plugins. */
export function inventoriesIn(bin: string): readonly Inventory[] {
  const versions = readdirSync(bin).filter((name) => VERSION_DIRECTORY.test(name));
  return versions.slice(0, MAX_VERSIONS).flatMap((version) => inventoryAt(join(bin, version)) ?? []);
}

function inventoryAt(directory: string): Inventory | null {
  try {
    return parseInventory(readText(join(directory, INVENTORY), MAX_INVENTORY));
  } catch {
    return null;
  }
}

/**
 * Compares the fallback with its inventory. Null if it has no inventory, because the installer did
 * not write it.
 */
export function compareFallback(bin: string): Comparison | null {
  const link = join(bin, FALLBACK);
  const version = lstatSync(link).isSymbolicLink() ? readlinkSync(link) : '';
  if (!VERSION_DIRECTORY.test(version)) return null;
  const directory = join(bin, version);
  const inventory = inventoryAt(directory);
  return inventory === null ? null : compare(inventory.runtime, entriesOf(directory, inventory.runtime));
}

/** Lists existing files: those of the inventory, and other files up to MAX_ENTRIES. */
function entriesOf(directory: string, wanted: Inventory['runtime']): readonly FoundEntry[] {
  const paths = new Set(['.', ...Object.keys(wanted).slice(0, MAX_ENTRIES), ...pathsUnder(directory)]);
  let budget = MAX_BYTES;
  return [...paths].flatMap((path): FoundEntry[] => {
    const full = join(directory, path);
    const status = lstatSync(full, { throwIfNoEntry: false });
    if (status === undefined) return [];
    const kind = status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other';
    const isHashed = kind === 'file' && Object.hasOwn(wanted, path) && status.size <= budget;
    if (isHashed) budget -= status.size;
    const sha256 = isHashed ? digestOf(full) : null;
    return [{ path, kind, uid: status.uid, mode: status.mode & 0o7777, sha256 }];
  });
}

/** Paths of files and directories under a directory. Does not follow links. */
function pathsUnder(directory: string): readonly string[] {
  const paths: string[] = [];
  const directories = ['.'];
  for (let next = directories.pop(); next !== undefined; next = directories.pop()) {
    for (const entry of readdirSync(join(directory, next), { withFileTypes: true })) {
      if (paths.length >= MAX_ENTRIES) return paths;
      const path = join(next, entry.name);
      paths.push(path);
      if (entry.isDirectory()) directories.push(path);
    }
  }
  return paths;
}
