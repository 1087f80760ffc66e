import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { MAX_JSON_SIZE } from '../../shared/json-bounds.ts';

/**
 * Path of a file in the sidecar's volume. virt-launcher looks for sockets in the volume, but not in
 * this directory of it.
 *
 * Source: kubevirt docs/network/network-binding-plugin.md
 */
export const vmiFileIn = (hookDirectory: string): string => `${hookDirectory}/userdata/tapwire-vmi.json`;

/** Keeps what the VMI asks for, which virt-launcher does not send again to a restarted sidecar. */
export function writeVmi(path: string, excerpt: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const staged = `${path}.${randomUUID()}`;
  writeFileSync(staged, excerpt, { mode: 0o600, flag: 'wx' });
  renameSync(staged, path);
}

/**
 * Returns what an earlier process of the sidecar has kept; null without any. Other containers of
 * the pod can write to the volume, so that the path may lead anywhere.
 */
export function readVmi(path: string): Uint8Array | null {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const file = fstatSync(fd);
    return file.isFile() && file.size <= MAX_JSON_SIZE ? readFileSync(fd) : null;
  } catch {
    return null;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
