/**
 * The node's CNI bin directory: takes the installer lock, lists installed versions and rejects
 * files of other programs.
 */
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BindingError } from '../../shared/errors.ts';
import { native } from '../../shared/native/native.ts';
import {
  FALLBACK,
  INVENTORY,
  type Inventory,
  parseInventory,
  SHIM,
  STAGING,
  VERSION_DIRECTORY,
} from './inventory.ts';

/**
 * Timeout in ms: longer than an installer takes on a slow disk, and than a fallback call waits for
 * its turn.
 */
const LOCK_TIMEOUT = 90_000;
/** Milliseconds between two attempts to lock. */
const POLL_INTERVAL = 50;

/** Text contained in every version of the shim, which prints it if run without a command. */
const MARK = 'CNI plugin tapwire v';

/**
 * Runs `act` while holding the lock of a directory. Other installers wait, and a version that a
 * fallback call runs from is not removed, because the call holds its lock.
 *
 * @throws {BindingError} TRY_AGAIN
 */
export async function withLock<T>(directory: string, act: () => T | Promise<T>): Promise<T> {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    for (const deadline = Date.now() + LOCK_TIMEOUT; !native.tryLock(fd); await sleep(POLL_INTERVAL)) {
      if (Date.now() < deadline) continue;
      throw new BindingError(
        'TRY_AGAIN',
        `Cannot lock "${directory}": another process has held the lock for ${LOCK_TIMEOUT / 1000} s`,
      );
    }
    return await act();
  } finally {
    closeSync(fd);
  }
}

/** Names of the version directories. */
export const versionsIn = (bin: string): readonly string[] =>
  readdirSync(bin).filter((name) => VERSION_DIRECTORY.test(name) && statusOf(join(bin, name))?.isDirectory());

/** The inventory of a version directory; null if it is missing or malformed. */
export function inventoryOf(bin: string, version: string): Inventory | null {
  try {
    return parseInventory(readFileSync(join(bin, version, INVENTORY), 'utf8'));
  } catch {
    return null;
  }
}

/** Name of the version directory that the fallback link points to; null if there is none. */
export function currentVersion(bin: string): string | null {
  if (!statusOf(join(bin, FALLBACK))?.isSymbolicLink()) return null;
  const target = readlinkSync(join(bin, FALLBACK));
  return VERSION_DIRECTORY.test(target) ? target : null;
}

/** Rejects files of other programs under Tapwire's names. @throws {BindingError} IO_FAILURE */
export function refuseForeign(bin: string): void {
  const shim = join(bin, SHIM);
  const isShim = statusOf(shim)?.isFile() && readFileSync(shim).includes(MARK);
  if (statusOf(shim) !== undefined && !isShim) throw foreign(shim, 'it is not the CNI plugin of Tapwire');
  const runtime = join(bin, FALLBACK);
  if (statusOf(runtime) !== undefined && currentVersion(bin) === null) {
    throw foreign(runtime, 'it is not a link to a version that this program installed');
  }
}

const foreign = (path: string, reason: string): BindingError =>
  new BindingError(
    'IO_FAILURE',
    `Cannot install "${path}": ${reason}; move it away, or choose another directory with --cni-bin-dir`,
  );

/** Removes staging directories of interrupted installations. The lock must be held. */
export function removeStaging(bin: string): void {
  for (const name of readdirSync(bin)) if (STAGING.test(name)) rmSync(join(bin, name), { recursive: true });
}

/** Why the path cannot be a CNI bin directory; null if it is a directory. */
export function reasonIfMissing(bin: string): string | null {
  const status = statSync(bin, { throwIfNoEntry: false });
  if (status === undefined) return 'it does not exist';
  return status.isDirectory() ? null : 'it is not a directory';
}

/** Undefined if the path does not exist. */
export const statusOf = (path: string) => lstatSync(path, { throwIfNoEntry: false });
