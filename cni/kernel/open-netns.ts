import { closeSync, constants, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { native } from '../../shared/native/native.ts';

/**
 * Opens the netns at CNI_NETNS. Null if it no longer exists: the path has no file, or no netns is
 * mounted on it.
 *
 * @throws {BindingError} INVALID_NETNS
 */
export function openNetns(path: string): number | null {
  let fd: number;
  try {
    // NONBLOCK: the call must not hang on a FIFO, nor trigger a device.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    return refuseOpening(path, code, messageOf(cause));
  }
  return requireOtherNetns(path, fd);
}

/**
 * Returns the descriptor if it is a pod's netns, as requirePodNetns does for this process.
 *
 * @throws {BindingError} INVALID_NETNS
 */
export function requireOtherNetns(path: string, fd: number): number | null {
  const own = openSync('/proc/self/ns/net', 'r');
  try {
    return requirePodNetns(path, fd, [own]);
  } finally {
    closeSync(own);
  }
}

/** Errors of a path that cannot have a netns mounted on it; ENXIO is that of a socket. */
const NO_NETNS: readonly (string | undefined)[] = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'ENXIO'];

/**
 * Returns null if the error means that the netns no longer exists.
 *
 * @throws {BindingError} INVALID_NETNS otherwise
 */
export function refuseOpening(path: string, code: string | undefined, reason: string): null {
  if (NO_NETNS.includes(code)) return null;
  throw new BindingError('INVALID_NETNS', `Cannot open netns "${path}": ${reason}`);
}

/**
 * Returns the descriptor if it is a pod's netns. Closes it otherwise, and returns null if it is not
 * a netns.
 *
 * @param hosts descriptors of the netns of this process and of the client: wiring the host netns
 * would cut off the node. CNI_NETNS_OVERRIDE does not change that
 * @throws {BindingError} INVALID_NETNS if it is one of `hosts`
 */
export function requirePodNetns(path: string, fd: number, hosts: readonly number[]): number | null {
  if (!native.isNetns(fd)) {
    closeSync(fd);
    return null;
  }
  if (hosts.some((host) => native.isSameFile(fd, host))) {
    closeSync(fd);
    throw new BindingError(
      'INVALID_NETNS',
      `plugin's netns and netns from CNI_NETNS should not be the same`,
      { details: `Cannot use "${path}": it is the network namespace of the node` },
    );
  }
  return fd;
}

const LOCK_POLL = 10; // ms

/**
 * Locks the netns against other calls until the last descriptor of this opening is closed.
 *
 * The wait is bounded: processes in the pod can take this lock as well.
 *
 * @param timeout ms
 * @throws {BindingError} TRY_AGAIN
 */
export async function lockNetns(netns: number, timeout: number): Promise<void> {
  for (let waited = 0; !native.tryLock(netns); waited += LOCK_POLL) {
    if (waited >= timeout) {
      throw new BindingError(
        'TRY_AGAIN',
        timeout === 0
          ? "Cannot lock the pod's netns: another call holds it"
          : `Cannot lock the pod's netns: another call has held it for ${timeout / 1000} s`,
      );
    }
    await sleep(LOCK_POLL);
  }
}
