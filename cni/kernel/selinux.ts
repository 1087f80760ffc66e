import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NewTap } from '../../shared/netns/part.ts';

/** The default label of container processes. */
const CONTAINERS = 'system_u:system_r:container_t:s0';

let isRunning: boolean | undefined;

/** The build puts the shim next to each bundle. */
let shim = join(import.meta.dirname, 'tapwire');

/** Keeps the shim executable after a chroot, by a descriptor that stays open. */
export function keepShim(): void {
  shim = `/proc/self/fd/${openSync(shim, 'r')}`;
}

/**
 * Decides under which SELinux label a tap is created, and by which program; null without SELinux.
 *
 * A tap gets the label of the task that creates it. A VM can only attach to taps with the label of
 * containers (or of the container runtime), not to the agent's. Our own label has three parts if
 * SELinux runs, even in a container, where its file system is not mounted.
 *
 * @param asked by the configuration
 */
export function labelledTap(asked: string | null): NewTap['labelled'] {
  isRunning ??= /^[\w.]+:[\w.]+:[\w.]+/.test(ownLabel());
  return isRunning ? { label: asked ?? CONTAINERS, helper: shim } : null;
}

function ownLabel(): string {
  try {
    return readFileSync('/proc/self/attr/current', 'latin1');
  } catch {
    return ''; // EINVAL without any security module
  }
}
