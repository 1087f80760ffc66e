import { lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { BindingError } from '../shared/errors.ts';
import { native, reasonOf } from '../shared/native/native.ts';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * Creates a listening socket under a temporary name and renames it, so that clients never find one
 * that is not listening. Replaces the socket of an earlier agent.
 *
 * @returns the descriptor, and the file's id at that time
 * @throws {BindingError} IO_FAILURE
 */
export function openSocket(path: string): { readonly listener: number; readonly id: string | null } {
  const directory = dirname(path);
  const temporary = `${path}.${process.pid}`;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(directory);
    if (uid !== process.getuid?.() || (mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new Error(`"${directory}" must belong to this user and not be writable by others`);
    }
    refuseOther(path);
    rmSync(temporary, { force: true });
    const listener = native.listen(temporary);
    const id = idOf(temporary); // before the rename, after which another agent may replace it
    try {
      renameSync(temporary, path);
    } catch (cause) {
      rmSync(temporary);
      throw cause;
    }
    return { listener, id };
  } catch (cause) {
    throw new BindingError('IO_FAILURE', `Cannot listen at "${path}": ${reasonOf(cause)}`, { cause });
  }
}

/**
 * Device and inode of the file at the path; null if there is none. The inode is not reused while
 * the server listens.
 */
export function idOf(path: string): string | null {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return status === undefined ? null : `${status.dev} ${status.ino}`;
}

/** Rejects a path with a file that is not a socket, because the rename would replace it. */
function refuseOther(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined || status.isSocket()) return;
  throw new Error(
    `it is a ${status.isDirectory() ? 'directory' : 'file'}, not a socket; choose another path with --socket`,
  );
}
