import { closeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { type Kernel, openKernel } from '../../cni/kernel/kernel.ts';
import { checkNetns, refuseOpening } from '../../cni/kernel/open-netns.ts';
import { BindingError } from '../../shared/errors.ts';
import { native } from '../../shared/native/native.ts';
import type { Call } from './caller.ts';

/** The pod's netns as a caller passed it. */
export interface PassedNetns {
  /** Descriptors that came along. */
  readonly count: number;
  /** As Host.openNetns: the descriptor goes to who asks for it. */
  open(path: string): number | null;
  openKernel(netns: number): Kernel;
  /** Closes what nobody asked for. */
  close(): Promise<void>;
}

/**
 * Looks into the netns before anybody has read the request: the thread that does so and the one that reads take as long as each
 * other.
 *
 * @param host descriptor of the agent's own netns
 */
export function takeNetns({ own, netns, netnsErrno }: Call, host: number): PassedNetns {
  const left = new Set(netns === null ? [own] : [own, netns]);
  const isOurs = netns !== null && isForUse(netns, own, host);
  const kernel = isOurs ? openKernel(netns) : null;
  const seen = kernel?.observe();
  seen?.catch(() => {}); // told to who asks
  let isTaken = false;

  return {
    count: left.size,
    open(path) {
      if (netnsErrno !== 0) {
        const [code, text] = getSystemErrorMap().get(-netnsErrno) ?? [`errno ${netnsErrno}`, 'unknown error'];
        return refuseOpening(path, code, `${code}: ${text}, open '${path}'`);
      }
      if (netns === null || !left.has(netns) || !native.isNetns(own)) {
        throw new BindingError('INVALID_NETNS', `Cannot use netns "${path}": the caller did not pass it`);
      }
      left.delete(netns);
      return checkNetns(path, netns, [own, host]);
    },
    openKernel(descriptor) {
      if (kernel === null || seen === undefined) return openKernel(descriptor);
      isTaken = true;
      // A way into a netns is for one at a time: whoever looks at something else waits for the first look.
      return { ...kernel, observe: () => seen, readSysctls: () => seen.then(kernel.readSysctls) };
    },
    async close() {
      if (!isTaken) {
        await seen?.catch(() => {}); // its thread enters the netns by the descriptor
        await kernel?.close();
      }
      for (const fd of left) closeSync(fd);
    },
  };
}

/** Whether it is a netns, not the node's, and its lock the caller's, who passed it on with the descriptor. */
function isForUse(netns: number, own: number, host: number): boolean {
  const isPod = native.isNetns(netns) && !native.isSameFile(netns, own) && !native.isSameFile(netns, host);
  return isPod && native.tryLock(netns);
}
