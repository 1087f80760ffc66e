import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { until } from './until.ts';

const CGROUPS = '/sys/fs/cgroup';

/**
 * Directories of the cgroup with this path, in the unified hierarchy and in those of version 1, if
 * they exist.
 */
export function cgroupsOf(path: string): readonly string[] {
  const hierarchies = readdirSync(CGROUPS, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [CGROUPS, ...hierarchies.map(({ name }) => `${CGROUPS}/${name}`)]
    .map((hierarchy) => `${hierarchy}${path}`)
    .filter((place) => existsSync(place));
}

/** A cgroup is busy until its last process has been reaped. */
export async function removeCgroup(path: string): Promise<void> {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(`${path}/${entry.name}`);
  }
  const remove = () => {
    try {
      rmdirSync(path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false;
      throw error;
    }
  };
  await until(`cgroup ${path} is free`, remove, () => '');
}
