import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

const CHUNK = 1024 * 1024; // bytes
/**
 * O_NONBLOCK, because opening a pipe or device would otherwise wait for its other end. Both are
 * rejected after opening.
 */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Reads a regular file of at most `maxSize` bytes. Follows links.
 *
 * @throws {Error} for any other file
 */
export function readText(path: string, maxSize: number): string {
  return withFile(path, maxSize, (fd, size) => {
    const bytes = Buffer.alloc(size);
    return bytes.toString('utf8', 0, readSync(fd, bytes));
  });
}

/**
 * SHA-256 in hex of a regular file of at most `maxSize` bytes. Follows links.
 *
 * @throws {Error} for any other file
 */
export function hashFile(path: string, maxSize: number): string {
  return withFile(path, maxSize, (fd, size) => {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size + 1));
    // Stop at the size that was checked, even if the file grows meanwhile.
    for (let left = size; left > 0; ) {
      const read = readSync(fd, chunk, 0, Math.min(chunk.length, left), null);
      if (read === 0) break;
      hash.update(chunk.subarray(0, read));
      left -= read;
    }
    return hash.digest('hex');
  });
}

function withFile<T>(path: string, maxSize: number, act: (fd: number, size: number) => T): T {
  const fd = openSync(path, FLAGS);
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) throw new Error('it is not a regular file');
    if (status.size > maxSize) throw new Error(`it has more than ${Math.floor(maxSize / 1024 / 1024)} MB`);
    return act(fd, status.size);
  } finally {
    closeSync(fd);
  }
}
