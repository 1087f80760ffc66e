import { close } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeFailure, native } from '../shared/native/native.ts';
import type { Refusal } from '../shared/rtnetlink/socket.ts';
import type { Op } from './op.ts';
import { tapLabel } from './selinux.ts';

/** The build lays the shim beside each bundle. */
const SHIM = join(import.meta.dirname, 'tapwire');

/** Taps that live as long as we hold their descriptors. */
export interface Taps {
  /** The new tap's ifindex. */
  add(op: Extract<Op, { op: 'addTap' }>): Promise<number | Refusal>;
  /** Lets go of the descriptor: QEMU cannot attach to a single-queue tap that somebody else has open. */
  persist(ifname: string): Promise<Refusal | null>;
  /** Taps that are not persistent by now vanish. */
  close(): Promise<void>;
}

/** @param socket any socket of the netns */
export function openTaps(netns: number, socket: number): Taps {
  const fds = new Map<string, number>();
  return {
    async add({ link, multiQueue, owner, group, selinuxContext }) {
      const label = tapLabel(selinuxContext);
      try {
        const [fd, ifindex] = await native.createTap(
          netns,
          socket,
          link,
          multiQueue,
          owner ?? -1,
          group ?? -1,
          label ?? '',
          label === null ? '' : SHIM,
        );
        fds.set(link, fd);
        return ifindex;
      } catch (cause) {
        return toRefusal(cause);
      }
    },
    async persist(ifname) {
      const fd = fds.get(ifname);
      if (fd === undefined) throw new Error(`No tap "${ifname}" was added before it was made persistent`);
      try {
        await native.persistTap(fd);
      } catch (cause) {
        return toRefusal(cause);
      }
      fds.delete(ifname);
      return null;
    },
    async close() {
      // The kernel waits for RCU when a tap goes with its descriptor.
      for (const fd of fds.values()) await promisify(close)(fd);
      fds.clear();
    },
  };
}

function toRefusal(error: unknown): Refusal {
  const reason = describeFailure(error);
  return { errno: (error as { errno: number }).errno, reason };
}
