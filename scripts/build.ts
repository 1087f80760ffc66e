/** Builds the addon and the bundles: `dist/cni` (launcher, one-shot) and `dist/sidecar`. Needs a C compiler, not root. */
import { cpSync, existsSync, globSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { execa } from 'execa';

process.chdir(`${import.meta.dirname}/..`);
/** Nothing is written outside the checkout, so tsc is kept from caching its own compiled code in /tmp. */
const env = { NODE_DISABLE_COMPILE_CACHE: '1' };
const run = execa({ preferLocal: true, stdio: ['ignore', 'ignore', 'inherit'], env });

const C_FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror'];
const LAUNCHER = 'cni/launcher/launcher.c';
const ADDON = 'shared/native/tapwire.node';
/** Built aside and moved at the end: whoever runs the old programs meanwhile never sees half of the new ones. */
const STAGE = 'build/dist';

async function buildAddon(): Promise<void> {
  const headers = 'node_modules/node-api-headers/include';
  await run('gcc', [
    ...C_FLAGS,
    '-shared',
    '-fPIC',
    '-I',
    headers,
    '-o',
    'build/tapwire.node',
    ...globSync('shared/native/*.c'),
  ]);
  renameSync('build/tapwire.node', ADDON);
}

/** Bundles one program. ncc leaves the addon out (it cannot see through createRequire), so it is laid beside the bundle. */
async function bundle(program: 'agent' | 'cni' | 'sidecar'): Promise<void> {
  await run('ncc', [
    'build',
    `build/${program === 'agent' ? 'daemonset' : program}/main.js`,
    '--no-cache',
    '--minify',
    '--out',
    `${STAGE}/${program}`,
  ]);
  cpSync(ADDON, `${STAGE}/${program}/tapwire.node`);
}

/** The launcher and, beside it, the runtime that it execs: the layout of the installed plugin. */
async function buildLauncher(): Promise<void> {
  mkdirSync(`${STAGE}/cni/.tapwire`, { recursive: true });
  symlinkSync('../../../node_modules/node/bin/node', `${STAGE}/cni/.tapwire/node`);
  for (const name of ['index.js', 'package.json', 'tapwire.node']) {
    symlinkSync(`../${name}`, `${STAGE}/cni/.tapwire/${name}`);
  }
  await run('gcc', [...C_FLAGS, '-static', '-o', `${STAGE}/cni/tapwire`, LAUNCHER]);
}

/** The same launcher, but the environment may say where the node file is. Only tests run it. */
async function buildTestLauncher(): Promise<void> {
  mkdirSync(`${STAGE}/test`, { recursive: true });
  symlinkSync('../cni/.tapwire', `${STAGE}/test/.tapwire`);
  await run('gcc', [...C_FLAGS, '-static', '-DTEST_OVERRIDES', '-o', `${STAGE}/test/tapwire`, LAUNCHER]);
}

rmSync('build', { recursive: true, force: true });
mkdirSync('build');
await Promise.all([buildAddon(), run('tsc', ['-p', 'tsconfig.build.json', '--noCheck'])]);
await Promise.all([bundle('cni'), bundle('sidecar'), buildLauncher(), buildTestLauncher()]);
if (existsSync('dist')) renameSync('dist', 'build/dist.old');
renameSync(STAGE, 'dist');
