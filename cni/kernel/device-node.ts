/**
 * The device nodes of macvtaps, /dev/tap<ifindex>: QEMU opens one to get at the frames of a guest.
 * The kernel makes and deletes them, by name and in one directory for all netns. So the node of a
 * new macvtap may be that of an earlier one whose netns the kernel has not cleaned up yet, or of
 * one that a process in another pod has made, with an index of its choice.
 */

import { channel } from 'node:diagnostics_channel';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  type Stats,
} from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BindingError } from '../../shared/errors.ts';
import { isChosenIfindex } from '../../shared/kubelet/device-id.ts';
import { native, reasonOf } from '../../shared/native/native.ts';
import { type DeviceNumber, isSameNumber, splitDeviceNumber } from '../../shared/netns/device-number.ts';
import type { Rtnetlink } from '../../shared/netns/netns.ts';
import { describeOp, type Outcome } from '../plan/op.ts';
import type { DeviceNodeOp } from './encode-op.ts';

/** Publishes each device node that the kernel had not made right; the agent counts them. */
export const repairedNodes = channel('tapwire.repaired-node');

/** A file at the path of a device node. */
export interface DeviceNode {
  /** Null if it is not a character device. */
  readonly number: DeviceNumber | null;
  readonly owner: number;
  readonly group: number;
  /** Permission bits. */
  readonly mode: number;
}

/** How long to wait for the kernel to clean up an earlier netns. It takes up to about 100 ms. */
const FREE_TIMEOUT = 3000; // ms
const FREE_POLL = 5; // ms
const MODE = 0o600;

export const deviceNodePath = (directory: string, ifindex: number): string =>
  join(directory, `tap${ifindex}`);

/** Reads the file at the path of a device node; null if there is none. */
export function readDeviceNode(directory: string, ifindex: number): DeviceNode | null {
  const file = lstatSync(deviceNodePath(directory, ifindex), { throwIfNoEntry: false });
  if (file === undefined) return null;
  const { uid: owner, gid: group, mode } = file;
  return { number: numberOf(file), owner, group, mode: mode & 0o7777 };
}

const numberOf = (file: Stats): DeviceNumber | null =>
  file.isCharacterDevice() ? splitDeviceNumber(file.rdev) : null;

/** Runs an op on a device node. Never rejects. */
export async function runOnDeviceNode(
  op: DeviceNodeOp,
  directory: string,
  rtnetlink: Pick<Rtnetlink, 'readTapDevice'>,
): Promise<Outcome> {
  try {
    switch (op.op) {
      case 'freeDeviceNode':
        await freeDeviceNode(directory, op.ifindex);
        break;
      case 'claimDeviceNode':
        await claimDeviceNode(op, directory, rtnetlink);
        break;
      case 'deleteDeviceNode':
        deleteLeftNode(directory, op.ifindex);
    }
    return 'done';
  } catch (cause) {
    if (cause instanceof BindingError) return cause;
    return new BindingError('KERNEL_REFUSED', `Cannot ${describeOp(op)}: ${reasonOf(cause)}`, { cause });
  }
}

/**
 * Waits while the node is that of a macvtap with this ifindex, and deletes any other file. After
 * the timeout, a process keeps the earlier netns alive; then the node is replaced later.
 */
async function freeDeviceNode(directory: string, ifindex: number): Promise<void> {
  for (const end = performance.now() + FREE_TIMEOUT; performance.now() < end; await sleep(FREE_POLL)) {
    deleteStaleNode(directory, ifindex);
    if (readDeviceNode(directory, ifindex) === null) return;
  }
}

async function claimDeviceNode(
  op: Extract<DeviceNodeOp, { op: 'claimDeviceNode' }>,
  directory: string,
  rtnetlink: Pick<Rtnetlink, 'readTapDevice'>,
): Promise<void> {
  const { link: ifname, ifindex, owner, group } = op;
  const path = deviceNodePath(directory, ifindex);
  const number = await rtnetlink.readTapDevice({ ifname, ifindex });
  if (number === null)
    throw new BindingError('LINK_MISSING', `Cannot ${describeOp(op)}: there is no "${ifname}"`);
  if (!isSameNumber(readDeviceNode(directory, ifindex)?.number ?? null, number)) {
    deletePath(path);
    native.makeDevice(path, number.major, number.minor);
    repairedNodes.publish(ifname);
  }
  giveNode(path, number, owner, group);
  const node = readDeviceNode(directory, ifindex);
  const isRight =
    node !== null && isSameNumber(node.number, number) && node.owner === owner && node.group === group;
  if (isRight && node.mode === MODE) return;
  throw new BindingError('TRY_AGAIN', `Cannot ${describeOp(op)}: another program has changed it; try again`);
}

/** linux/fcntl.h: opens no device, and permits only requests about the file itself. */
const O_PATH = 0o10000000;

/**
 * Sets owner and mode of a device node, and nothing of any other file: the descriptor stays that of
 * the file which was compared, whoever replaces the path meanwhile.
 */
function giveNode(path: string, number: DeviceNumber, owner: number, group: number): void {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    if (!isSameNumber(numberOf(fstatSync(fd)), number)) return;
    const file = `/proc/self/fd/${fd}`; // fchown(2) rejects such a descriptor
    chownSync(file, owner, group);
    chmodSync(file, MODE);
  } finally {
    closeSync(fd);
  }
}

/**
 * Deletes the file at the path of a device node, unless it is the node of a link of this ifindex.
 * Leaves the files of indexes that Tapwire never chooses: a process in a pod may give its own link
 * any index, and our alias.
 */
export function deleteStaleNode(directory: string, ifindex: number): void {
  if (!isChosenIfindex(ifindex)) return;
  const node = readDeviceNode(directory, ifindex);
  if (node === null || (node.number !== null && mayBeLive(node.number, ifindex))) return;
  deletePath(deviceNodePath(directory, ifindex));
}

/** Like `deleteStaleNode`, for DEL: a directory with files is not of Tapwire, so it stays. */
export function deleteLeftNode(directory: string, ifindex: number): void {
  try {
    deleteStaleNode(directory, ifindex);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}

/**
 * Deletes a file or an empty directory, which a container runtime makes for a volume whose path
 * does not exist.
 */
function deletePath(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_FS_EISDIR') throw error;
    rmdirSync(path);
  }
}

/** Where sysfs lists devices by number, those of all netns. */
const DEVICES = '/sys/dev/char';

/** Whether a link of any netns has this device and this ifindex. True if sysfs does not tell. */
function mayBeLive({ major, minor }: DeviceNumber, ifindex: number): boolean {
  const link = join(DEVICES, `${major}:${minor}`);
  try {
    return basename(readlinkSync(link)) === `tap${ifindex}`;
  } catch {
    return !existsSync(DEVICES);
  }
}
