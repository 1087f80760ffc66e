import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BindingError } from '../shared/errors.ts';
import type { NewDirectory } from './command.ts';
import { reasonOfFileError } from './file-error.ts';

/**
 * Writes files into a new or an empty directory: all of them, or none. Not durable: a power cut can
 * lose files.
 *
 * @throws {BindingError} IO_FAILURE
 */
export function writeDirectory({ path, files }: NewDirectory): void {
  const isNew = create(path);
  const written: string[] = [];
  try {
    for (const [name, text] of files) {
      written.push(join(path, name));
      writeFileSync(join(path, name), text, { flag: 'wx' });
    }
  } catch (cause) {
    for (const file of written) rmSync(file, { force: true });
    if (isNew) rmdirSync(path);
    throw failure(path, reasonOfFileError(cause), cause);
  }
}

/** Returns whether the directory is new. @throws {BindingError} IO_FAILURE if it has contents */
function create(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw failure(path, 'the directory above it does not exist', cause);
    if (code !== 'EEXIST') throw failure(path, reasonOfFileError(cause), cause);
  }
  if (namesIn(path).length === 0) return false;
  throw failure(path, 'it is not empty');
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (cause) {
    const isFile = (cause as NodeJS.ErrnoException).code === 'ENOTDIR';
    throw failure(path, isFile ? 'it is not a directory' : reasonOfFileError(cause), cause);
  }
}

const failure = (path: string, reason: string, cause?: unknown): BindingError =>
  new BindingError(
    'IO_FAILURE',
    `Cannot write manifests to ${JSON.stringify(path)}: ${reason}; name a new or an empty directory with --output`,
    { cause },
  );
