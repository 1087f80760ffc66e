import { rmdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { BindingError, messageOf } from '../../shared/errors.ts';
import {
  currentVersion,
  inventoryOf,
  removeWorkshops,
  statusOf,
  versionsIn,
  withLock,
} from './bin-directory.ts';
import { contentOf, contentsOf, sync } from './files.ts';
import { differencesOf, INVENTORY, isSame, RUNTIME, SHIM } from './inventory.ts';
import type { Options } from './options.ts';

/**
 * Takes away what was installed, and the socket that the last agent left; resolves to the paths that are gone. What has changed
 * since, or was never installed by us, stays.
 *
 * @throws {BindingError} IO_FAILURE where an agent runs, or something of our names stays
 */
export async function uninstall(
  options: Extract<Options, { command: 'uninstall' }>,
): Promise<readonly string[]> {
  const { binDirectory: bin, agentSocket } = options;
  try {
    if (await isListening(agentSocket)) {
      throw new BindingError(
        'IO_FAILURE',
        `Cannot uninstall: an agent listens at "${agentSocket}"; end the agent first: docs/install.md#uninstall`,
      );
    }
    const { removed, left } = await withLock(bin, () => remove(bin));
    if (left.length === 0) return [...removed, ...removeSocket(agentSocket)];
    throw new BindingError(
      'IO_FAILURE',
      `Cannot remove ${left.map((path) => `"${path}"`).join(', ')}: not what was installed; look, and remove by hand`,
    );
  } catch (cause) {
    if (cause instanceof BindingError) throw cause;
    throw new BindingError('IO_FAILURE', `Cannot uninstall from "${bin}": ${messageOf(cause)}`, { cause });
  }
}

/** The shim goes first: from then on nobody starts what it falls back to. */
async function remove(bin: string): Promise<{ removed: string[]; left: string[] }> {
  const versions = versionsIn(bin).map((version) => ({ version, inventory: inventoryOf(bin, version) }));
  const [removed, left]: [string[], string[]] = [[], []];
  const take = (path: string, isOurs: boolean): void => {
    if (isOurs) rmSync(path, { recursive: true });
    (isOurs ? removed : left).push(path);
  };

  const shim = join(bin, SHIM);
  const status = statusOf(shim);
  if (status !== undefined) {
    const content = status.isFile() ? contentOf(shim) : undefined;
    take(
      shim,
      versions.some(({ inventory }) => content !== undefined && isSame(inventory?.shim, content)),
    );
  }
  const runtime = join(bin, RUNTIME);
  if (statusOf(runtime) !== undefined) take(runtime, currentVersion(bin) !== null);
  removeWorkshops(bin);
  for (const { version, inventory } of versions) {
    const folder = join(bin, version);
    const { [INVENTORY]: _, ...found } = contentsOf(folder);
    const isWhole = inventory !== null && differencesOf(inventory.runtime, found).length === 0;
    await withLock(folder, () => take(folder, isWhole)); // after the last call that runs from it
  }
  sync(bin);
  return { removed, left };
}

function isListening(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const answer = (isThere: boolean) => {
      connection.destroy();
      resolve(isThere);
    };
    connection
      .once('connect', () => answer(true))
      .once('error', (error: NodeJS.ErrnoException) => {
        answer(error.code === 'EAGAIN'); // its queue is full: an agent lets callers wait there
      });
  });
}

function removeSocket(socket: string): readonly string[] {
  if (!statusOf(socket)?.isSocket()) return [];
  rmSync(socket);
  try {
    rmdirSync(dirname(socket));
  } catch {
    // Something else is in it; or it is where the node's folder is mounted.
  }
  return [socket];
}
