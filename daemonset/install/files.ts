import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Content, Inventory } from './inventory.ts';

/** Bytes read at a time. */
const CHUNK = 1024 * 1024;

/** Hash and permissions of a file; follows links. */
export function contentOf(path: string): Content {
  return { sha256: hashOf(path), mode: statSync(path).mode & 0o777 };
}

function hashOf(path: string): string {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK);
  const fd = openSync(path, 'r');
  try {
    for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk))
      hash.update(chunk.subarray(0, read));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

/** All files under a directory, by their paths relative to it. */
export function contentsOf(directory: string): Inventory['runtime'] {
  return Object.fromEntries(filesBelow(directory).map((path) => [path, contentOf(join(directory, path))]));
}

function filesBelow(directory: string, path = ''): string[] {
  return readdirSync(join(directory, path)).flatMap((name) => {
    const inner = join(path, name);
    return statSync(join(directory, inner)).isDirectory() ? filesBelow(directory, inner) : [inner];
  });
}

/**
 * Copies a file, following links, creates missing directories and syncs the copy to survive a power
 * cut.
 */
export function copyDurably(source: string, target: string, mode: number): void {
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  copyFileSync(source, target, constants.COPYFILE_EXCL);
  chmodSync(target, mode);
  sync(target);
}

/** Waits until a file's content, or a directory's entries, are on the disk. */
export function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
