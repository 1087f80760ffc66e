import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FALLBACK, SHIM } from '../../daemonset/install/inventory.ts';
import { isRootsAlone } from './compare.ts';
import type { Comparison, Fallback, Plugin, PluginDirectory } from './facts.ts';
import { compareFallback, digestOf, inventoriesIn } from './probe-files.ts';
import { FALLBACK_COMMAND, failureOfVersion, run } from './run-plugin.ts';

/**
 * Directories in which container runtimes look for plugins. k3s and RKE2 have changed theirs. The
 * last is GKE's.
 */
const DIRECTORIES = [
  { path: '/opt/cni/bin', platform: null },
  { path: '/var/lib/cni/bin', platform: 'OpenShift' },
  { path: '/var/lib/rancher/k3s/data/cni', platform: 'k3s' },
  { path: '/var/lib/rancher/k3s/data/current/bin', platform: 'k3s' },
  { path: '/var/lib/rancher/rke2/data/cni', platform: null },
  { path: '/var/snap/microk8s/current/opt/cni/bin', platform: 'MicroK8s' },
  { path: '/home/kubernetes/bin', platform: null },
] as const;

/** The plugin that the build copies next to this command. */
const OURS = join(import.meta.dirname, 'tapwire');
/** Files that the plugin checks before it runs the fallback (cni/shim/fallback.c). */
const FILES = ['.', 'lib', 'lib/ld.so', 'node', 'index.js', 'package.json', 'tapwire.node'];

/** SHA-256 of that plugin; null if the command was shipped without one. */
export const digestOfOurs = (): string | null => (existsSync(OURS) ? digestOf(OURS) : null);

/**
 * @param named directories that replace the known ones; empty to search the known ones
 * @param ours from `digestOfOurs`
 */
export async function probeDirectories(
  named: readonly string[],
  ours: string | null,
): Promise<readonly PluginDirectory[]> {
  const directories =
    named.length > 0 ? named.map((path) => ({ path: resolve(path), platform: null })) : DIRECTORIES;
  const existing = directories.filter(({ path }) => isDirectory(path));
  return Promise.all(
    existing.map(async (directory) => ({ ...directory, plugin: await probePlugin(directory.path, ours) })),
  );
}

export const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

async function probePlugin(directory: string, ours: string | null): Promise<Plugin | null> {
  const path = join(directory, SHIM);
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return null;
  const isExecutable = status.isFile() && (status.mode & 0o111) !== 0;
  const isRoots = isRootsAlone(status);
  // This command runs as root, so it does not run files that other users can write to.
  const mayRun = isExecutable && isRoots;
  const about = mayRun ? (await run(path, [], {})).stderr : '';
  const version = /^CNI plugin tapwire v(\S+):/.exec(about)?.[1] ?? null;
  const digest = isExecutable ? digestOf(path) : null;
  const inventories = inventoriesIn(directory);
  return {
    isExecutable,
    isRootsAlone: isRoots,
    version,
    isOurs: ours !== null && digest !== null ? ours === digest : null,
    isInstalled:
      inventories.length > 0 && digest !== null
        ? inventories.some(({ shim }) => shim.sha256 === digest)
        : null,
    failure: version === null ? null : await failureOfVersion(path, [], '/'),
    fallback: await probeFallback(
      directory,
      inventories.some(({ runtime }) => Object.keys(runtime).length === 0),
    ),
  };
}

/**
 * @param bin the directory of CNI plugins
 * @param isLeftOut whether a version was installed without the fallback
 */
async function probeFallback(bin: string, isLeftOut: boolean): Promise<Fallback> {
  const directory = join(bin, FALLBACK);
  if (!existsSync(directory)) return { isThere: false, isLeftOut, failure: null, comparison: null };
  const comparison = compareFallback(bin);
  return {
    isThere: true,
    isLeftOut: false,
    failure: await failureOfFallback(directory, comparison),
    comparison,
  };
}

async function failureOfFallback(directory: string, comparison: Comparison | null): Promise<string | null> {
  for (const name of FILES) {
    const status = statSync(join(directory, name), { throwIfNoEntry: false });
    if (status === undefined) return `it has no "${name}"`;
    if (!isRootsAlone(status)) return `users other than root can change "${name}"`;
  }
  // too risky to run; reported as writable
  if (comparison !== null && comparison.writable.length > 0) return null;
  const [file, ...args] = FALLBACK_COMMAND;
  return failureOfVersion(file, args, directory);
}
