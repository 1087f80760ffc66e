import { readFileSync } from 'node:fs';

/** What processes of containers run as, unless somebody decided otherwise. */
const CONTAINERS = 'system_u:system_r:container_t:s0';

let isRunning: boolean | undefined;

/**
 * The SELinux label that a tap is made under; null where there is no SELinux.
 *
 * A tap has the label of the task that makes it, and a VM may only attach to those of containers (or of the container runtime),
 * not to the agent's. An own label of three parts tells that SELinux is there, also inside of a container, where its
 * file system is not mounted.
 *
 * @param asked by the configuration
 */
export function tapLabel(asked: string | null): string | null {
  isRunning ??= /^[\w.]+:[\w.]+:[\w.]+/.test(ownLabel());
  return isRunning ? (asked ?? CONTAINERS) : null;
}

function ownLabel(): string {
  try {
    return readFileSync('/proc/self/attr/current', 'latin1');
  } catch {
    return ''; // EINVAL without any security module
  }
}
