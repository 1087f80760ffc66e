import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  INVENTORY,
  parseInventory,
  RUNTIME,
  SHIM,
  VERSION_FOLDER,
} from '../../daemonset/install/inventory.ts';
import { messageOf } from '../../shared/errors.ts';
import { get } from '../check/resource.ts';
import type { Plugin, PluginFolder, Runtime } from './facts.ts';

/** Where runtimes look for plugins: most; OpenShift; k3s and RKE2, now and before; MicroK8s; GKE. */
const FOLDERS = [
  '/opt/cni/bin',
  '/var/lib/cni/bin',
  '/var/lib/rancher/k3s/data/cni',
  '/var/lib/rancher/k3s/data/current/bin',
  '/var/lib/rancher/rke2/data/cni',
  '/var/snap/microk8s/current/opt/cni/bin',
  '/home/kubernetes/bin',
];

/** The plugin that the build lays beside this command. */
const OURS = join(import.meta.dirname, 'tapwire');
/** What the plugin looks at before it runs any of it (cni/shim/runtime.c). */
const FILES = ['.', 'lib', 'lib/ld.so', 'node', 'index.js', 'package.json', 'tapwire.node'];
const WRITABLE_BY_OTHERS = 0o022;
/** A plugin waits ten seconds for an agent that is away. */
const PATIENCE = 20_000; // ms
const VERSION = { CNI_COMMAND: 'VERSION' };

/** @param named instead of those that runtimes are known for; empty: none */
export async function probeFolders(named: readonly string[]): Promise<readonly PluginFolder[]> {
  const folders = (named.length > 0 ? named : FOLDERS).map((path) => resolve(path)).filter(existsSync);
  return Promise.all(folders.map(async (path) => ({ path, plugin: await probePlugin(path) })));
}

async function probePlugin(folder: string): Promise<Plugin | null> {
  const path = join(folder, SHIM);
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return null;
  const isExecutable = status.isFile() && (status.mode & 0o111) !== 0;
  const isRootsAlone = isRoots(status);
  // What others may write to is not run here, as root.
  const mayRun = isExecutable && isRootsAlone;
  const about = mayRun ? (await run(path, [], {})).stderr : '';
  const version = /^CNI plugin tapwire v(\S+):/.exec(about)?.[1] ?? null;
  return {
    isExecutable,
    isRootsAlone,
    version,
    isOurs: existsSync(OURS) && isExecutable ? digest(OURS) === digest(path) : null,
    failure: version === null ? null : failureOf(await run(path, [], VERSION)),
    runtime: await probeRuntime(folder),
  };
}

const isRoots = ({ uid, mode }: { readonly uid: number; readonly mode: number }): boolean =>
  uid === 0 && (mode & WRITABLE_BY_OTHERS) === 0;

const digest = (path: string): string => hash('sha256', readFileSync(path));

/** @param bin the folder of CNI plugins */
async function probeRuntime(bin: string): Promise<Runtime> {
  const folder = join(bin, RUNTIME);
  if (!existsSync(folder)) return { isThere: false, isLeftOut: isLeftOut(bin), failure: null };
  return { isThere: true, isLeftOut: false, failure: await failureOfRuntime(folder) };
}

async function failureOfRuntime(folder: string): Promise<string | null> {
  for (const name of FILES) {
    const status = statSync(join(folder, name), { throwIfNoEntry: false });
    if (status === undefined) return `it has no "${name}"`;
    if (!isRoots(status)) return `others than root may change "${name}"`;
  }
  const args = ['--library-path', 'lib', './node', './index.js'];
  return failureOf(await run('lib/ld.so', args, VERSION, folder));
}

/** The installer writes down what belongs to a version: here one without files for its runtime. */
function isLeftOut(bin: string): boolean {
  const versions = readdirSync(bin).filter((name) => VERSION_FOLDER.test(name));
  return versions.some((version) => {
    try {
      const { runtime } = parseInventory(readFileSync(join(bin, version, INVENTORY), 'utf8'));
      return Object.keys(runtime).length === 0;
    } catch {
      return false;
    }
  });
}

interface Ran {
  readonly failure: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** With nothing in the environment but what is given. */
function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd = '/'): Promise<Ran> {
  return new Promise((settle) => {
    const path = file.startsWith('/') ? file : join(cwd, file);
    const child = execFile(path, args, { env, cwd, timeout: PATIENCE }, (error, stdout, stderr) =>
      settle({ failure: error === null ? null : messageOf(error), stdout, stderr }),
    );
    child.stdin?.on('error', () => {}).end();
  });
}

/** Why an answer is none to VERSION; the plugin's own words where it gives any. */
function failureOf({ failure, stdout }: Ran): string | null {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    return failure ?? 'it answers something else than JSON';
  }
  if (Array.isArray(get(answer, 'supportedVersions'))) return null;
  const message = get(answer, 'msg');
  return typeof message === 'string' ? message : (failure ?? 'it does not answer VERSION');
}
