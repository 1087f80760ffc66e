import { closeSync, openSync, readSync } from 'node:fs';
import { BindingError } from '../shared/errors.ts';
import { reasonOfFileError } from './file-error.ts';

/**
 * Most bytes of all files together: twice a dump of 5,000 VMs. It bounds the memory for a file or
 * pipe that does not end; `tapwire check` has narrower bounds for what it parses.
 */
const MAX_BYTES = 128 * 1024 * 1024;
const CHUNK = 1024 * 1024; // bytes

/**
 * Returns a function that reads a file, or stdin if the path is `-`.
 *
 * @throws {BindingError} IO_FAILURE if it cannot be read, or if all files together are too large
 */
export function newReader(): (path: string) => string {
  let left = MAX_BYTES;
  return (path) => {
    try {
      const bytes = readBytes(path, left);
      left -= bytes.length;
      return bytes.toString();
    } catch (cause) {
      throw new BindingError('IO_FAILURE', `Cannot read "${path}": ${reasonOf(cause)}`, { cause });
    }
  };
}

function readBytes(path: string, limit: number): Buffer {
  const fd = path === '-' ? 0 : openSync(path, 'r');
  try {
    const chunk = Buffer.allocUnsafe(CHUNK);
    const parts: Buffer[] = [];
    let size = 0;
    for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk)) {
      size += read;
      if (size > limit) throw new TooLarge();
      parts.push(Buffer.from(chunk.subarray(0, read)));
    }
    return Buffer.concat(parts);
  } finally {
    if (fd !== 0) closeSync(fd);
  }
}

class TooLarge extends Error {}

function reasonOf(cause: unknown): string {
  if (cause instanceof TooLarge) {
    return `the files have more than ${MAX_BYTES / 1024 / 1024} MiB; check one namespace at a time: kubectl get -n NAMESPACE …`;
  }
  return (cause as NodeJS.ErrnoException).code === 'EISDIR'
    ? 'it is a directory; name its files'
    : `${reasonOfFileError(cause)}; check the path`;
}
