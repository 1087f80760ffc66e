import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

/** Go's CNI plugins, which Tapwire is compared with. */
export interface GoPlugins {
  readonly directory: string;
  /** Version of Debian's containernetworking-plugins. */
  readonly version: string;
}

/** Where scripts/newest-plugins.sh unpacks Debian's newest ones. */
const NEWEST = join(import.meta.dirname, '../.cache/go-plugins');

/** Returns the newest plugins, or those that are installed if the newest were not downloaded. */
export async function findGoPlugins(): Promise<GoPlugins> {
  const directory = join(NEWEST, 'usr/lib/cni');
  if (existsSync(directory)) {
    return { directory, version: readFileSync(join(NEWEST, 'version'), 'utf8').trim() };
  }
  const { stdout } = await execa('dpkg-query', ['-W', 'containernetworking-plugins']);
  return { directory: '/usr/lib/cni', version: stdout.split('\t')[1] ?? '' };
}
