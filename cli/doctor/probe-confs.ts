import { readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { byName, isConfName, isRenamedName, originalName, parseConf, unusable } from './cni-conf.ts';
import type { CniConf, ConfDirectory } from './facts.ts';
import { readText } from './read-file.ts';

/**
 * Directories in which container runtimes look for configurations. The last is the usual one:
 * kubeadm, RKE2, k0s, Talos, EKS, GKE, AKS.
 */
const DIRECTORIES = [
  { path: '/var/lib/rancher/k3s/agent/etc/cni/net.d', platform: 'k3s' },
  { path: '/var/snap/microk8s/current/args/cni-network', platform: 'MicroK8s' },
  { path: '/etc/kubernetes/cni/net.d', platform: 'OpenShift' },
  { path: '/etc/cni/net.d', platform: null },
] as const;

/** Largest configuration that is read, in bytes. One with a hundred delegates is smaller. */
const MAX_SIZE = 1024 * 1024;
/** Most files that are read. A directory with more is not a directory of configurations. */
const MAX_FILES = 1000;

/** Reads the directories that exist. A directory and a link to it count once. */
export function probeConfs(): readonly ConfDirectory[] {
  const seen = new Set<string>();
  return DIRECTORIES.flatMap(({ path, platform }) => {
    const names = namesIn(path);
    if (names === null || seen.has(realpathSync(path))) return [];
    seen.add(realpathSync(path));
    return [
      {
        path,
        platform,
        confs: names.filter(isConfName).map((name) => readConf(path, name)),
        renamed: names.filter(isRenamedName).filter((name) => isMultus(path, name)),
      },
    ];
  });
}

/**
 * File names in the order of container runtimes. Skips directories, as libcni does. Null if the
 * directory does not exist.
 */
function namesIn(path: string): readonly string[] | null {
  try {
    const entries = readdirSync(path, { withFileTypes: true }).filter((entry) => !entry.isDirectory());
    const names = entries.map(({ name }) => name).filter((name) => isConfName(name) || isRenamedName(name));
    return names.sort(byName).slice(0, MAX_FILES);
  } catch {
    return null;
  }
}

/** @param name its extension tells a list from a plugin; for a renamed file, the former name */
function readConf(directory: string, file: string, name = file): CniConf {
  try {
    return parseConf(name, readText(join(directory, file), MAX_SIZE));
  } catch (cause) {
    return unusable(name, messageOf(cause));
  }
}

const isMultus = (directory: string, file: string): boolean =>
  readConf(directory, file, originalName(file)).multus !== null;
