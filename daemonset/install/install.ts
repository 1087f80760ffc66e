import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { native } from '../../shared/native/native.ts';
import {
  currentVersion,
  inventoryOf,
  reasonIfMissing,
  refuseForeign,
  removeStaging,
  versionsIn,
  withLock,
} from './bin-directory.ts';
import { contentOf, contentsOf, copyDurably, sync } from './files.ts';
import {
  differencesOf,
  FALLBACK,
  formatInventory,
  INVENTORY,
  type Inventory,
  isSame,
  SHIM,
  stagingName,
  versionDirectory,
} from './inventory.ts';
import type { Options } from './options.ts';
import { testPlugin, versionOf } from './self-test.ts';

/**
 * Permissions of installed files. Only the owner's execute permission of the source counts: a build
 * may leave files that others can write.
 */
const PROGRAM = 0o755;
const DATA = 0o644;
/**
 * Permissions of the directory of a version. Of the calls without an agent, one at a time
 * holds its lock, and so could every user who may open it.
 */
const PRIVATE = 0o700;

/** The result of an installation, for the log. */
export interface Installed {
  readonly version: string;
  /** Name of the version directory. */
  readonly folder: string;
  readonly isNew: boolean;
  /** Directories of older versions that were removed. */
  readonly removed: readonly string[];
}

/**
 * Installs the plugin and replaces an installed one. At any time, container runtimes find the old
 * or the new plugin, each complete. A failure before the first rename leaves the old plugin; the
 * new one is tested again at the end, and stays even if that test fails.
 *
 * The version is assembled in a staging directory on the same file system, run there once, and
 * moved by renames. Between two renames, a shim can find the fallback of another version, so all
 * versions of the shim use the same file names (cni/shim/fallback.c).
 *
 * @throws {BindingError} IO_FAILURE, TRY_AGAIN
 */
export async function install(options: Extract<Options, { command: 'install' }>): Promise<Installed> {
  const { binDirectory: bin, source, hasFallback } = options;
  const wanted = readSource(source, hasFallback);
  try {
    return await withLock(bin, () => replace(bin, source, wanted, hasFallback));
  } catch (cause) {
    if (cause instanceof BindingError) throw cause;
    throw new BindingError('IO_FAILURE', `Cannot install into "${bin}": ${reasonOf(cause, bin)}`, { cause });
  }
}

function readSource(source: string, hasFallback: boolean): Inventory {
  try {
    return inventoryAt(source, hasFallback);
  } catch (cause) {
    if (cause instanceof BindingError) throw cause;
    const reason = `Cannot read the plugin to install from "${source}": ${messageOf(cause)}; choose another directory with --from`;
    throw new BindingError('IO_FAILURE', reason, { cause });
  }
}

function inventoryAt(source: string, hasFallback: boolean): Inventory {
  const runtime = hasFallback ? contentsOf(join(source, FALLBACK)) : {};
  return {
    version: versionOf(source),
    shim: { ...contentOf(join(source, SHIM)), mode: PROGRAM },
    runtime: Object.fromEntries(
      Object.entries(runtime).map(([path, { sha256, mode }]) => [
        path,
        { sha256, mode: (mode & 0o100) === 0 ? DATA : PROGRAM },
      ]),
    ),
  };
}

function replace(bin: string, source: string, wanted: Inventory, hasFallback: boolean): Installed {
  refuseForeign(bin);
  removeStaging(bin);
  for (const version of versionsIn(bin)) chmodSync(join(bin, version), PRIVATE); // 0755 until now
  const before = currentVersion(bin);
  const id = randomBytes(4).toString('hex');
  const found = versionsIn(bin).find((version) => isWhole(bin, version, wanted));
  const directory = found ?? versionDirectory(wanted.version, id);
  const staging = join(bin, stagingName(id));
  mkdirSync(staging, { mode: 0o755 });
  try {
    if (found === undefined) installFallback(join(staging, FALLBACK), source, wanted);
    else symlinkSync(join('..', found), join(staging, FALLBACK));
    copyDurably(join(source, SHIM), join(staging, SHIM), PROGRAM);
    requireShim(staging, wanted);
    if (hasFallback) testPlugin(staging);

    if (found === undefined) renameSync(join(staging, FALLBACK), join(bin, directory));
    if (hasFallback) {
      symlinkSync(directory, join(staging, 'link'));
      renameSync(join(staging, 'link'), join(bin, FALLBACK));
      sync(bin);
    }
    renameSync(join(staging, SHIM), join(bin, SHIM));
    if (!hasFallback) rmSync(join(bin, FALLBACK), { force: true });
  } finally {
    rmSync(staging, { recursive: true, force: true });
    sync(bin);
  }
  requireShim(bin, wanted);
  if (hasFallback) testPlugin(bin);
  return {
    version: wanted.version,
    folder: directory,
    isNew: found === undefined,
    removed: removeOld(bin, directory, before),
  };
}

/** Copies the fallback and verifies the copy. @throws {BindingError} IO_FAILURE */
function installFallback(directory: string, source: string, wanted: Inventory): void {
  mkdirSync(directory, { mode: PRIVATE });
  for (const [path, { mode }] of Object.entries(wanted.runtime)) {
    copyDurably(join(source, FALLBACK, path), join(directory, path), mode);
  }
  const differences = differencesOf(wanted.runtime, contentsOf(directory));
  if (differences.length > 0) throw changed(join(directory, differences[0] ?? ''));
  writeFileSync(join(directory, INVENTORY), formatInventory(wanted), { mode: DATA, flush: true });
  for (const path of new Set(['.', ...Object.keys(wanted.runtime).map(dirname)])) sync(join(directory, path));
}

function isWhole(bin: string, version: string, wanted: Inventory): boolean {
  const inventory = inventoryOf(bin, version);
  if (inventory === null || inventory.version !== wanted.version || !isSame(inventory.shim, wanted.shim))
    return false;
  const { [INVENTORY]: _, ...runtime } = contentsOf(join(bin, version));
  return differencesOf(wanted.runtime, runtime).length === 0;
}

function requireShim(directory: string, { shim, version }: Inventory): void {
  const path = join(directory, SHIM);
  if (!isSame(contentOf(path), shim) || versionOf(directory) !== version) throw changed(path);
}

const changed = (path: string): BindingError =>
  new BindingError(
    'IO_FAILURE',
    `Cannot install "${path}": the copy differs from its source; check the disk`,
  );

/**
 * Removes the versions that no call uses: a running call holds a lock on its version. The previous
 * version stays until another one is installed, because a call may have found it and not locked it
 * yet.
 */
function removeOld(bin: string, directory: string, before: string | null): readonly string[] {
  if (directory === before) return [];
  return versionsIn(bin).filter((version) => {
    if (version === directory || version === before) return false;
    const fd = openSync(join(bin, version), 'r');
    try {
      if (!native.tryLock(fd)) return false;
      rmSync(join(bin, version), { recursive: true });
      return true;
    } finally {
      closeSync(fd);
    }
  });
}

function reasonOf(cause: unknown, bin: string): string {
  const missing = reasonIfMissing(bin);
  if (missing !== null)
    return `${missing}; name the directory that the container runtime searches for plugins, or create it: mkdir -p ${bin}`;
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'EROFS') return 'the file system is read-only; choose another directory with --cni-bin-dir';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const { bavail, bsize } = statfsSync(bin);
    const free = Math.floor((bavail * bsize) / 1e6);
    return `no space left: ${free} MB are free, and replacing a version needs 140; free some, or use --no-fallback, which needs 1`;
  }
  return messageOf(cause);
}
