import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Lab } from './lab.ts';
import { type Daemon, start } from './run.ts';

/** Uid and gid of everything in a virt-launcher pod. */
export const QEMU_ID = 107;

/** A file that a container of the pod sees at `to` in place of the machine's. */
export interface Mount {
  readonly from: string;
  readonly to: string;
}

/**
 * Script that bind-mounts pairs of paths up to "--", creates /dev/net/tun as a device plugin would,
 * and becomes the container's user.
 */
const ENTER = `
  while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift
  mount -t tmpfs -o mode=755 tmpfs /dev/net
  mknod -m 600 /dev/net/tun c 10 200
  chown ${QEMU_ID}:${QEMU_ID} /dev/net/tun
  exec setpriv --reuid ${QEMU_ID} --regid ${QEMU_ID} --clear-groups --bounding-set -all --inh-caps -all --no-new-privs "$@"`;

/**
 * Starts a program as a container of the virt-launcher pod runs: in the pod's netns, in a mount
 * namespace of its own, as uid 107, without capabilities and without a way to gain any.
 */
export function startInPod(
  lab: Lab,
  name: string,
  mounts: readonly Mount[],
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Daemon {
  const pairs = mounts.flatMap(({ from, to }) => [from, to]);
  const enter = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', ENTER, name];
  return start(lab, lab.pod, name, [...enter, ...pairs, '--', ...argv], env);
}

/**
 * Shows a file or directory of the checkout, which uid 107 may be unable to reach, in the lab's
 * directory.
 */
export function shown(lab: Lab, from: string, as: string, kind: 'file' | 'directory'): Mount {
  const to = join(lab.dir, 'seen', as);
  mkdirSync(kind === 'file' ? dirname(to) : to, { recursive: true, mode: 0o755 });
  if (kind === 'file' && !existsSync(to)) writeFileSync(to, '');
  return { from, to };
}
