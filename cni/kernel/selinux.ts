import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NewTap } from '../../shared/netns/part.ts';

/** What processes of containers run as, unless somebody decided otherwise. */
const CONTAINERS = 'system_u:system_r:container_t:s0';

let isRunning: boolean | undefined;

/** The build lays the shim beside each bundle. */
const SHIM = join(import.meta.dirname, 'tapwire');

/**
 * The SELinux label that a tap is made under, and by whom; null where there is no SELinux.
 *
 * A tap has the label of the task that makes it, and a VM may only attach to those of containers (or of the container runtime),
 * not to the agent's. An own label of three parts tells that SELinux is there, also inside of a container, where its
 * file system is not mounted.
 *
 * @param asked by the configuration
 */
export function labelledTap(asked: string | null): NewTap['labelled'] {
  isRunning ??= /^[\w.]+:[\w.]+:[\w.]+/.test(ownLabel());
  return isRunning ? { label: asked ?? CONTAINERS, helper: SHIM } : null;
}

function ownLabel(): string {
  try {
    return readFileSync('/proc/self/attr/current', 'latin1');
  } catch {
    return ''; // EINVAL without any security module
  }
}
