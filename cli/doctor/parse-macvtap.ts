import type { OfferedDevices } from './facts.ts';

/**
 * Finds the type of the file system at /dev in a mountinfo; null if it has none. Pure.
 *
 * Source: proc_pid_mountinfo(5)
 */
export function deviceFileSystemOf(mountinfo: string): string | null {
  const mounts = mountinfo.split('\n').map((line) => {
    const [front = '', behind = ''] = line.split(' - ');
    return { point: front.split(' ')[4], type: behind.split(' ')[0] ?? null };
  });
  const at = (path: string) => mounts.findLast(({ point }) => point === path);
  return (at('/dev') ?? at('/'))?.type ?? null;
}

const SAMPLE = /^tapwire_devices\{resource="([^"]+)",health="(healthy|unhealthy)"\} (\d+)$/gm;

/** Reads from the agent's metrics which devices it offers to kubelet, by resource. Pure. */
export function offeredDevices(metrics: string): ReadonlyMap<string, OfferedDevices> {
  const offered = new Map<string, OfferedDevices>();
  for (const [, resource = '', health = '', count] of metrics.matchAll(SAMPLE)) {
    const known = offered.get(resource) ?? { healthy: 0, unhealthy: 0 };
    offered.set(resource, { ...known, [health]: Number(count) });
  }
  return offered;
}
