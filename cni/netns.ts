import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BindingError, messageOf } from '../shared/errors.ts';
import { native } from '../shared/native/native.ts';

/**
 * Opens the netns at CNI_NETNS. Null where it is gone: the path is missing, or is a file that no netns is mounted on any more.
 *
 * @throws {BindingError} INVALID_NETNS for the netns that we run in ourselves: on the node that is the node's own, and wiring
 * it would cut the node off. CNI_NETNS_OVERRIDE does not change that.
 */
export function openNetns(path: string): number | null {
  const fd = open(path);
  if (fd === null) return null;
  if (!native.isNetns(fd)) {
    closeSync(fd);
    return null;
  }
  const [theirs, ours] = [fstatSync(fd), statSync('/proc/self/ns/net')];
  if (theirs.dev === ours.dev && theirs.ino === ours.ino) {
    closeSync(fd);
    throw new BindingError(
      'INVALID_NETNS',
      `plugin's netns and netns from CNI_NETNS should not be the same`,
      {
        details: `Cannot use "${path}": it is the network namespace of the node`,
      },
    );
  }
  return fd;
}

function open(path: string): number | null {
  try {
    // NONBLOCK: a FIFO must not hang the call, nor a device do something.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new BindingError('INVALID_NETNS', `Cannot open netns "${path}": ${messageOf(cause)}`, { cause });
  }
}

const LOCK_POLL = 10; // ms

/**
 * Waits until nobody else changes the netns, and keeps others out until the descriptor is closed.
 *
 * The wait is bounded: whoever runs in the pod can take this lock as well.
 *
 * @param patience ms
 * @throws {BindingError} TRY_AGAIN
 */
export async function lockNetns(netns: number, patience: number): Promise<void> {
  for (let waited = 0; !native.tryLock(netns); waited += LOCK_POLL) {
    if (waited >= patience) {
      throw new BindingError(
        'TRY_AGAIN',
        `Cannot lock the pod's netns: another call has held it for ${patience / 1000} s`,
      );
    }
    await sleep(LOCK_POLL);
  }
}
