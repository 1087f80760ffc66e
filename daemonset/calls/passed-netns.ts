import { closeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { type Kernel, openKernel } from '../../cni/kernel/kernel.ts';
import { refuseOpening, requirePodNetns } from '../../cni/kernel/open-netns.ts';
import { BindingError } from '../../shared/errors.ts';
import { native } from '../../shared/native/native.ts';
import type { Call } from './caller.ts';

/** The pod's netns as a client passed it. */
export interface PassedNetns {
  /** Number of descriptors that came with the request. */
  readonly count: number;
  /** Like CallContext.openNetns: the function that calls it closes it (cni/commands.ts). */
  open(path: string): number | null;
  openKernel(netns: number): Kernel;
  /** Closes the descriptors that were not handed out. */
  close(): Promise<void>;
}

/**
 * Reads the state of the netns while the request is still being parsed: both take equally long, on
 * two threads.
 *
 * @param hostNetns descriptor of the agent's own netns
 */
export function takeNetns(
  { clientNetns, netns, netnsErrno }: Call,
  { hostNetns, deviceDirectory }: { readonly hostNetns: number; readonly deviceDirectory: string },
): PassedNetns {
  const left = new Set(netns === null ? [clientNetns] : [clientNetns, netns]);
  const isOurs = netns !== null && isForUse(netns, clientNetns, hostNetns);
  const kernel = isOurs ? openKernel(netns, { deviceDirectory }) : null;
  const seen = kernel?.observe();
  seen?.catch(() => {}); // openKernel reports the error
  let isTaken = false;

  return {
    count: left.size,
    open(path) {
      if (netnsErrno !== 0) {
        const [code, text] = getSystemErrorMap().get(-netnsErrno) ?? [`errno ${netnsErrno}`, 'unknown error'];
        return refuseOpening(path, code, `${code}: ${text}, open '${path}'`);
      }
      if (netns === null || !left.has(netns) || !native.isNetns(clientNetns)) {
        throw new BindingError('INVALID_NETNS', `Cannot use netns "${path}": the client did not pass it`);
      }
      left.delete(netns);
      return requirePodNetns(path, netns, [clientNetns, hostNetns]);
    },
    openKernel(descriptor) {
      if (kernel === null || seen === undefined) return openKernel(descriptor, { deviceDirectory });
      isTaken = true;
      // A Kernel serves one request at a time: other reads wait for the first one.
      return {
        ...kernel,
        observe: () => seen,
        readSysctls: () => seen.then(kernel.readSysctls),
        // A call may be rejected before it needs that state, whose socket is not open yet.
        close: () => seen.then(kernel.close, kernel.close),
      };
    },
    async close() {
      if (!isTaken) {
        await seen?.catch(() => {}); // its thread uses the descriptor
        await kernel?.close();
      }
      for (const fd of left) closeSync(fd);
    },
  };
}

/**
 * Whether the descriptor is a netns, not the node's, and locked by the client, which passes the
 * lock with it.
 */
function isForUse(netns: number, clientNetns: number, hostNetns: number): boolean {
  const isPod =
    native.isNetns(netns) && !native.isSameFile(netns, clientNetns) && !native.isSameFile(netns, hostNetns);
  return isPod && native.tryLock(netns);
}
