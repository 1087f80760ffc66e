/** The installer as a process, what it installs, and what it leaves. */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { NODE } from '../agent/agent.ts';
import { INSTALLED, withDirectory } from '../plugin/shim.ts';

export const INSTALLER = resolve(import.meta.dirname, '../../../dist/install/index.js');

export interface Outcome {
  readonly exitCode?: number;
  /** The last line of its log. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON that a test inspects
  readonly line: any;
}

/**
 * Runs the installer on a directory. `under` is a command line that runs it, and ends in an exec.
 */
export async function installer(
  command: 'install' | 'uninstall',
  bin: string,
  options: readonly string[] = [],
  under: readonly string[] = [],
): Promise<Outcome> {
  const [file = '', ...args] = [...under, NODE, INSTALLER, command, '--cni-bin-dir', bin, ...options];
  const { exitCode, stdout, stderr } = await execa(file, args, {
    reject: false,
    env: {},
    extendEnv: false,
    cwd: '/',
  });
  assert.is(stdout, '', 'stdout is for results');
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
  return { ...(exitCode === undefined ? {} : { exitCode }), line: JSON.parse(lines.at(-1) ?? '{}') };
}

/** Runs the installer, and fails with its output if it fails. */
export async function installs(
  bin: string,
  from: string,
  ...options: readonly string[]
): Promise<Outcome['line']> {
  const { exitCode, line } = await installer('install', bin, ['--from', from, ...options]);
  assert.is(exitCode, 0, line.message);
  return line;
}

/** Calls VERSION, and returns the name of the fallback that replied. */
const RUNTIME = (name: string) => `#!/bin/sh
echo '{"cniVersion":"1.1.0","supportedVersions":["1.1.0"],"runtime":"${name}"}'
`;

/**
 * A small payload for the installer: the real shim and, in place of the fallback, a script that
 * prints its name.
 */
export function payload(folder: string, name: string): string {
  const path = join(folder, `payload-${name}`);
  mkdirSync(join(path, '.tapwire/lib'), { recursive: true });
  cpSync(INSTALLED, join(path, 'tapwire'));
  for (const file of ['node', 'index.js', 'package.json', 'tapwire.node'])
    writeFileSync(join(path, '.tapwire', file), name);
  writeFileSync(join(path, '.tapwire/lib/ld.so'), RUNTIME(name));
  for (const file of ['node', 'lib/ld.so']) chmodSync(join(path, '.tapwire', file), 0o755);
  return path;
}

/**
 * A node's CNI bin directory with another project's plugin in it, and three versions to install.
 */
export function withBin<T>(
  act: (place: {
    readonly bin: string;
    readonly folder: string;
    readonly payloads: readonly [string, string, string];
  }) => Promise<T>,
): Promise<T> {
  return withDirectory((folder) => {
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'bridge'), 'somebody else’s', { mode: 0o755 });
    const payloads = [payload(folder, 'a'), payload(folder, 'b'), payload(folder, 'c')] as const;
    return act({ bin, folder, payloads });
  });
}

/** Name of the fallback that the installed plugin runs. */
export async function runtimeOf(bin: string): Promise<string> {
  const { stdout } = await execa(join(bin, 'tapwire'), { env: { CNI_COMMAND: 'VERSION' }, extendEnv: false });
  return JSON.parse(stdout).runtime;
}

/**
 * Every path below a directory: type and permissions, and the content of files or the target of
 * links.
 */
export function treeOf(folder: string): Readonly<Record<string, string>> {
  if (!existsSync(folder)) return {};
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((path) => {
        const full = join(folder, path);
        const status = lstatSync(full);
        const mode = (status.mode & 0o7777).toString(8);
        if (status.isSymbolicLink()) return [path, `-> ${readlinkSync(full)}`];
        if (status.isDirectory()) return [path, `folder ${mode}`];
        return [path, `file ${mode} ${status.isFile() ? readFileSync(full, 'latin1') : ''}`];
      }),
  );
}

/** Names in the directory, with `-x` for the random end of a version's directory. */
export const namesIn = (bin: string): readonly string[] =>
  readdirSync(bin)
    .map((name) => name.replace(/^(\.tapwire-[\d.]+)-[0-9a-f]{8}$/, '$1-x'))
    .sort();
