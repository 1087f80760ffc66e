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

const CHUNK = 1024 * 1024; // bytes

/** Follows links. */
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

/** Every file below a folder, by its path there. */
export function contentsOf(folder: string): Inventory['runtime'] {
  return Object.fromEntries(filesBelow(folder).map((path) => [path, contentOf(join(folder, path))]));
}

function filesBelow(folder: string, path = ''): string[] {
  return readdirSync(join(folder, path)).flatMap((name) => {
    const inner = join(path, name);
    return statSync(join(folder, inner)).isDirectory() ? filesBelow(folder, inner) : [inner];
  });
}

/** Copies what a link leads to, and makes folders that are missing; what there is on the disk afterwards survives a power cut. */
export function copyDurably(source: string, target: string, mode: number): void {
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  copyFileSync(source, target, constants.COPYFILE_EXCL);
  chmodSync(target, mode);
  sync(target);
}

/** Waits until a file's content, or a folder's names, are on the disk. */
export function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
