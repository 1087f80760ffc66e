import { randomBytes } from 'node:crypto';
import {
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
  refuseForeign,
  removeWorkshops,
  versionsIn,
  withLock,
} from './bin-directory.ts';
import { contentOf, contentsOf, copyDurably, sync } from './files.ts';
import {
  differencesOf,
  formatInventory,
  INVENTORY,
  type Inventory,
  isSame,
  RUNTIME,
  SHIM,
  versionFolder,
  workshopName,
} from './inventory.ts';
import type { Options } from './options.ts';
import { testPlugin, versionOf } from './self-test.ts';

/** The permissions that files get, whatever they have where they come from: some are built where others may write. */
const PROGRAM = 0o755;
const DATA = 0o644;

/** What was done, for the log. */
export interface Installed {
  readonly version: string;
  /** The folder of the version; beside others only where it was not there yet. */
  readonly folder: string;
  readonly isNew: boolean;
  /** Folders of older versions that were taken away. */
  readonly removed: readonly string[];
}

/**
 * Installs the plugin in place of what may be there. Callers of the plugin find the old one or the new one, each whole, at every
 * moment; after a failure they find the old one.
 *
 * All is put together in a folder of its own, on the same file system, is run there once, and then moved by renames. Between two of them
 * a shim finds the runtime of another version, so that all shims look for the same files (cni/shim/runtime.c).
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
    const reason = `Cannot read what to install from "${source}": ${messageOf(cause)}; choose with --from`;
    throw new BindingError('IO_FAILURE', reason, { cause });
  }
}

function inventoryAt(source: string, hasFallback: boolean): Inventory {
  const runtime = hasFallback ? contentsOf(join(source, RUNTIME)) : {};
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
  removeWorkshops(bin);
  const before = currentVersion(bin);
  const id = randomBytes(4).toString('hex');
  const found = versionsIn(bin).find((version) => isWhole(bin, version, wanted));
  const folder = found ?? versionFolder(wanted.version, id);
  const workshop = join(bin, workshopName(id));
  mkdirSync(workshop, { mode: 0o755 });
  try {
    if (found === undefined) layRuntime(join(workshop, RUNTIME), source, wanted);
    else symlinkSync(join('..', found), join(workshop, RUNTIME));
    copyDurably(join(source, SHIM), join(workshop, SHIM), PROGRAM);
    checkShim(workshop, wanted);
    if (hasFallback) testPlugin(workshop);

    if (found === undefined) renameSync(join(workshop, RUNTIME), join(bin, folder));
    if (hasFallback) {
      symlinkSync(folder, join(workshop, 'link'));
      renameSync(join(workshop, 'link'), join(bin, RUNTIME));
      sync(bin);
    }
    renameSync(join(workshop, SHIM), join(bin, SHIM));
    if (!hasFallback) rmSync(join(bin, RUNTIME), { force: true });
  } finally {
    rmSync(workshop, { recursive: true, force: true });
    sync(bin);
  }
  checkShim(bin, wanted);
  if (hasFallback) testPlugin(bin);
  return {
    version: wanted.version,
    folder,
    isNew: found === undefined,
    removed: removeOld(bin, folder, before),
  };
}

/** @throws {BindingError} IO_FAILURE where what was written is not what was to be written */
function layRuntime(folder: string, source: string, wanted: Inventory): void {
  mkdirSync(folder, { mode: 0o755 });
  for (const [path, { mode }] of Object.entries(wanted.runtime)) {
    copyDurably(join(source, RUNTIME, path), join(folder, path), mode);
  }
  const differences = differencesOf(wanted.runtime, contentsOf(folder));
  if (differences.length > 0) throw changed(join(folder, differences[0] ?? ''));
  writeFileSync(join(folder, INVENTORY), formatInventory(wanted), { mode: DATA, flush: true });
  for (const path of new Set(['.', ...Object.keys(wanted.runtime).map(dirname)])) sync(join(folder, path));
}

function isWhole(bin: string, version: string, wanted: Inventory): boolean {
  const inventory = inventoryOf(bin, version);
  if (inventory === null || inventory.version !== wanted.version || !isSame(inventory.shim, wanted.shim))
    return false;
  const { [INVENTORY]: _, ...runtime } = contentsOf(join(bin, version));
  return differencesOf(wanted.runtime, runtime).length === 0;
}

function checkShim(folder: string, { shim, version }: Inventory): void {
  const path = join(folder, SHIM);
  if (!isSame(contentOf(path), shim) || versionOf(folder) !== version) throw changed(path);
}

const changed = (path: string): BindingError =>
  new BindingError(
    'IO_FAILURE',
    `Cannot install "${path}": what was written is not what is there; is the disk failing?`,
  );

/**
 * Takes away versions that nobody runs: whoever uses one holds its lock. The one before stays until the next one comes, since a call may
 * have found it a moment ago, and hold no lock yet.
 */
function removeOld(bin: string, folder: string, before: string | null): readonly string[] {
  if (folder === before) return [];
  return versionsIn(bin).filter((version) => {
    if (version === folder || version === before) return false;
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
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return `${messageOf(cause)}; is that the node's CNI bin directory?`;
  if (code === 'EROFS') return 'the file system is read-only; choose another directory with --cni-bin-dir';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const { bavail, bsize } = statfsSync(bin);
    const free = Math.floor((bavail * bsize) / 1e6);
    return `no space left: ${free} MB are free, and 140 are needed while a version is replaced; --no-fallback needs 1`;
  }
  return messageOf(cause);
}
