import { rmdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { liveSocketOf } from '../live-socket.ts';
import {
  currentVersion,
  inventoryOf,
  reasonIfMissing,
  removeStaging,
  statusOf,
  versionsIn,
  withLock,
} from './bin-directory.ts';
import { contentOf, contentsOf, sync } from './files.ts';
import { differencesOf, FALLBACK, INVENTORY, isSame, SHIM } from './inventory.ts';
import type { Options } from './options.ts';

/**
 * Removes the installed files and the sockets that the last agent left. Files that changed since,
 * or that the installer did not write, stay.
 *
 * @returns the removed paths
 * @throws {BindingError} IO_FAILURE if an agent runs or a file under Tapwire's names stays
 */
export async function uninstall(
  options: Extract<Options, { command: 'uninstall' }>,
): Promise<readonly string[]> {
  const { binDirectory: bin, agentSocket } = options;
  try {
    if (await isListening(agentSocket)) {
      throw new BindingError(
        'IO_FAILURE',
        `Cannot uninstall: an agent listens at "${agentSocket}"; stop it first: docs/install.md#uninstall`,
      );
    }
    const { removed, left } = await withLock(bin, () => remove(bin));
    if (left.length === 0) return [...removed, ...removeSockets(agentSocket)];
    throw new BindingError(
      'IO_FAILURE',
      `Cannot remove ${left.map((path) => `"${path}"`).join(', ')}: they differ from what was installed; examine them and remove them by hand`,
    );
  } catch (cause) {
    if (cause instanceof BindingError) throw cause;
    throw new BindingError('IO_FAILURE', `Cannot uninstall from "${bin}": ${reasonOf(cause, bin)}`, {
      cause,
    });
  }
}

function reasonOf(cause: unknown, bin: string): string {
  const missing = reasonIfMissing(bin);
  return missing === null ? messageOf(cause) : `${missing}; name the directory with --cni-bin-dir`;
}

/** Removes the shim first, so that no new call starts the fallback. */
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
  const runtime = join(bin, FALLBACK);
  if (statusOf(runtime) !== undefined) take(runtime, currentVersion(bin) !== null);
  removeStaging(bin);
  for (const { version, inventory } of versions) {
    const directory = join(bin, version);
    const { [INVENTORY]: _, ...found } = contentsOf(directory);
    const isWhole = inventory !== null && differencesOf(inventory.runtime, found).length === 0;
    await withLock(directory, () => take(directory, isWhole)); // waits for the last call that runs from it
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
        answer(error.code === 'EAGAIN'); // the queue is full: an agent listens, and clients wait
      });
  });
}

/** Removes the agent's socket, and the one for liveness. */
function removeSockets(socket: string): readonly string[] {
  const sockets = [liveSocketOf(socket), socket].filter((path) => statusOf(path)?.isSocket());
  for (const path of sockets) rmSync(path);
  try {
    if (sockets.length > 0) rmdirSync(dirname(socket));
  } catch {
    // The directory is not empty, or it is a mount point.
  }
  return sockets;
}
