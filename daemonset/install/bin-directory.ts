/** A node's CNI bin directory, as far as it is ours: who may write to it, and what of us is there. */
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BindingError } from '../../shared/errors.ts';
import { native } from '../../shared/native/native.ts';
import {
  INVENTORY,
  type Inventory,
  parseInventory,
  RUNTIME,
  SHIM,
  VERSION_FOLDER,
  WORKSHOP,
} from './inventory.ts';

/** Longer than another installer takes on a slow disk, and than a call that runs without the agent waits for its turn. */
const LOCK_PATIENCE = 90_000; // ms
const LOOK = 50; // ms

/** Text that every shim has had in it: what it says without a command. */
const MARK = 'CNI plugin tapwire v';

/** Nobody else writes meanwhile, if it is one of us; and what a one-shot runs from is not taken away. @throws {BindingError} TRY_AGAIN */
export async function withLock<T>(folder: string, act: () => T | Promise<T>): Promise<T> {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    for (const deadline = Date.now() + LOCK_PATIENCE; !native.tryLock(fd); await sleep(LOOK)) {
      if (Date.now() < deadline) continue;
      throw new BindingError(
        'TRY_AGAIN',
        `Cannot lock "${folder}": another has held it for ${LOCK_PATIENCE / 1000} s`,
      );
    }
    return await act();
  } finally {
    closeSync(fd);
  }
}

/** Names of the folders of versions. */
export const versionsIn = (bin: string): readonly string[] =>
  readdirSync(bin).filter((name) => VERSION_FOLDER.test(name) && statusOf(join(bin, name))?.isDirectory());

/** What the version's folder should hold; null where that is not told, or by something that we did not write. */
export function inventoryOf(bin: string, version: string): Inventory | null {
  try {
    return parseInventory(readFileSync(join(bin, version, INVENTORY), 'utf8'));
  } catch {
    return null;
  }
}

/** The version that the shim falls back to; null without one. */
export function currentVersion(bin: string): string | null {
  if (!statusOf(join(bin, RUNTIME))?.isSymbolicLink()) return null;
  const target = readlinkSync(join(bin, RUNTIME));
  return VERSION_FOLDER.test(target) ? target : null;
}

/** @throws {BindingError} IO_FAILURE for what has our names and is not ours */
export function refuseForeign(bin: string): void {
  const shim = join(bin, SHIM);
  const isShim = statusOf(shim)?.isFile() && readFileSync(shim).includes(MARK);
  if (statusOf(shim) !== undefined && !isShim) throw foreign(shim, 'it is not the CNI plugin of Tapwire');
  const runtime = join(bin, RUNTIME);
  if (statusOf(runtime) !== undefined && currentVersion(bin) === null) {
    throw foreign(runtime, 'it is not a link to what this program has installed');
  }
}

const foreign = (path: string, reason: string): BindingError =>
  new BindingError(
    'IO_FAILURE',
    `Cannot install "${path}": ${reason}; move it away, or choose another directory with --cni-bin-dir`,
  );

/** Takes away what earlier calls have begun and not finished. The caller has the lock. */
export function removeWorkshops(bin: string): void {
  for (const name of readdirSync(bin)) if (WORKSHOP.test(name)) rmSync(join(bin, name), { recursive: true });
}

/** Undefined where there is nothing. */
export const statusOf = (path: string) => lstatSync(path, { throwIfNoEntry: false });
