import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

/** Go's CNI plugins, which Tapwire is compared with. */
export interface GoPlugins {
  /** Directory of this machine's plugins. */
  readonly directory: string;
  /** Path of the plugin `tap`; null if there is none. */
  readonly tap: string | null;
  /** Version of Debian's containernetworking-plugins, and that of `tap` if it is another. */
  readonly version: string;
}

const INSTALLED = '/usr/lib/cni';
/** Where scripts/newest-plugins.sh unpacks Debian's newest plugins. */
const NEWEST = join(import.meta.dirname, '../.cache/go-plugins');

/** Finds the plugins that are installed; `tap`, which Debian 12 lacks, among the newest ones. */
export async function findGoPlugins(): Promise<GoPlugins> {
  const { stdout } = await execa('dpkg-query', ['-W', 'containernetworking-plugins']);
  const [, version = ''] = stdout.split('\t');
  const found = (tap: string | null, all: string) => ({ directory: INSTALLED, tap, version: all });
  const [installed, newest] = [`${INSTALLED}/tap`, join(NEWEST, `${INSTALLED}/tap`)];
  if (existsSync(installed)) return found(installed, version);
  if (!existsSync(newest)) return found(null, version);
  const ofTap = readFileSync(join(NEWEST, 'version'), 'utf8').trim();
  return found(newest, `${version}, tap ${ofTap}`);
}
