/**
 * Builds the addon, the shim and the bundles into `dist/cni` (shim, one-shot), `dist/agent`,
 * `dist/install`, `dist/sidecar` and `dist/tapwire` (command line). Needs a C compiler, but not
 * root. Does nothing if `dist` is up to date; to build it again, delete it.
 *
 * Usage: build.ts [--quiet] [--check]
 *
 * --check builds nothing, and fails if `dist` is not up to date.
 */
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { execa } from 'execa';
import { SUPPORTED_VERSIONS } from '../cni/request/version.ts';
import tapwire from '../package.json' with { type: 'json' };
import { messageOf } from '../shared/errors.ts';
import { COMPILERS, readBuildKey } from './build-key.ts';
import { addCodeCache } from './code-cache.ts';
import { librariesOf, nameInFallback } from './libraries.ts';
import { isUpToDate, writeStamp } from './up-to-date.ts';

process.chdir(`${import.meta.dirname}/..`);
/** Keeps tsc from caching its compiled code in /tmp: the build writes only to the checkout. */
const env = { NODE_DISABLE_COMPILE_CACHE: '1' };
const run = execa({ preferLocal: true, stdio: ['ignore', 'ignore', 'inherit'], env });

const C_FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror'];
const ADDON = 'shared/native/tapwire.node';
/**
 * Staging directory, renamed to `dist` at the end, so that no process ever sees a part of a build.
 */
const STAGE = 'build/dist';

async function buildAddon(): Promise<void> {
  const headers = 'node_modules/node-api-headers/include';
  await run('gcc', [
    ...C_FLAGS,
    '-shared',
    '-fPIC',
    '-fvisibility=hidden', // otherwise a symbol that Node exports as well resolves to Node's
    '-I',
    headers,
    '-o',
    'build/tapwire.node',
    ...globSync('shared/native/*.c'),
  ]);
  renameSync('build/tapwire.node', ADDON);
}

/** The entry point of each program. */
const MAINS = {
  agent: 'daemonset/main',
  cni: 'cni/main',
  install: 'daemonset/install/main',
  sidecar: 'sidecar/main',
  tapwire: 'cli/main',
} as const;

/**
 * Packages that no bundle needs. grpc-js loads this one only for channelz and ORCA, which Tapwire
 * does not use; it is a third of the sidecar's bundle.
 */
const NEVER_LOADED = ['@grpc/proto-loader'];

/**
 * Bundles one program. Copies the addon next to the bundle, because ncc misses it: it is loaded by
 * createRequire.
 */
async function bundle(program: keyof typeof MAINS): Promise<void> {
  await run('ncc', [
    'build',
    `build/${MAINS[program]}.js`,
    '--no-cache',
    '--minify',
    ...NEVER_LOADED.flatMap((name) => ['--external', name]),
    '--out',
    `${STAGE}/${program}`,
  ]);
  cpSync(ADDON, `${STAGE}/${program}/tapwire.node`);
  // grpc-js reads these directories of .proto files only for channelz and xDS, which Tapwire does
  // not use.
  for (const directory of ['proto', 'protoc-gen-validate', 'xds']) {
    rmSync(`${STAGE}/${program}/${directory}`, { recursive: true, force: true });
  }
}

/** Flags for a program without a C library and without what compilers add for one. */
const FREESTANDING = [
  '-std=gnu11',
  '-ffreestanding',
  '-fno-tree-loop-distribute-patterns', // otherwise gcc makes the loop in memset a call of memset
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-fno-pie',
  '-no-pie',
  '-static',
  '-nostdlib',
  '-s',
  '-Wl,--build-id=none',
];
/**
 * Builds the shim to install, and the one for tests, which reads paths and timeouts from the
 * environment.
 */
async function buildShims(directory: keyof typeof COMPILERS): Promise<void> {
  const compiler = COMPILERS[directory];
  const sources = readdirSync('cni/shim').filter((name) => name.endsWith('.c'));
  const texts = {
    TAPWIRE_VERSION: tapwire.version,
    DESCRIPTION: tapwire.description,
    SUPPORTED_VERSIONS: SUPPORTED_VERSIONS.join(', '),
  };
  const defines = Object.entries(texts).map(([name, text]) => `-D${name}=${JSON.stringify(text)}`);
  for (const [program, define] of [
    ['cni', []],
    ['test', ['-DTEST_OVERRIDES']],
  ] as const) {
    mkdirSync(`${STAGE}/${program}/${directory}`, { recursive: true });
    const output = ['-o', `${STAGE}/${program}/${directory}/tapwire`];
    const inputs = sources.map((name) => `cni/shim/${name}`);
    await run(compiler, [...C_FLAGS, ...FREESTANDING, ...defines, ...define, ...output, ...inputs]);
  }
}

/**
 * Assembles the fallback that the shim runs without an agent. It is complete, with Node and its
 * libraries.
 */
async function assembleFallback(): Promise<void> {
  const fallback = `${STAGE}/cni/.tapwire`;
  mkdirSync(`${fallback}/lib`, { recursive: true });
  symlinkSync('../../../node_modules/node/bin/node', `${fallback}/node`); // too large to copy
  for (const name of ['index.js', 'package.json', 'tapwire.node', 'tapwire']) {
    symlinkSync(`../${name}`, `${fallback}/${name}`);
  }
  for (const path of await librariesOf('node_modules/node/bin/node', ADDON)) {
    cpSync(realpathSync(path), `${fallback}/lib/${nameInFallback(path)}`);
  }
  mkdirSync(`${STAGE}/test`, { recursive: true });
  symlinkSync('../cni/.tapwire', `${STAGE}/test/.tapwire`);
}

async function build(key: string, hasArm64: boolean): Promise<void> {
  rmSync('build', { recursive: true, force: true });
  mkdirSync('build');
  await Promise.all([buildAddon(), run('tsc', ['-p', 'tsconfig.build.json', '--noCheck'])]);
  await Promise.all([
    bundle('agent'),
    bundle('cni'),
    bundle('install'),
    bundle('sidecar').then(() => addCodeCache(`${STAGE}/sidecar/index.js`, 'build')),
    bundle('tapwire'),
    assembleFallback(),
    buildShims('.'),
  ]);
  // Both programs create taps with another SELinux label by running the shim.
  for (const program of ['agent', 'tapwire']) symlinkSync('../cni/tapwire', `${STAGE}/${program}/tapwire`);
  if (hasArm64) await buildShims('arm64');
  writeStamp(STAGE, key, [ADDON]);
  // Keep the image of an earlier `npm run image`.
  if (existsSync('dist/image')) renameSync('dist/image', `${STAGE}/image`);
  if (existsSync('dist')) renameSync('dist', 'build/dist.old');
  renameSync(STAGE, 'dist');
}

async function main(): Promise<void> {
  const isQuiet = process.argv.includes('--quiet');
  const { key, hasArm64 } = await readBuildKey();
  if (isUpToDate('dist', key)) {
    if (!isQuiet) console.log('dist is up to date');
    return;
  }
  if (process.argv.includes('--check')) {
    console.error('dist/ is older than the sources; run "npm run build"');
    process.exitCode = 1;
    return;
  }
  console.log('Building Tapwire');
  await build(key, hasArm64);
  if (!isQuiet) console.log('Built dist');
}

try {
  await main();
} catch (error) {
  console.error(`Cannot build: ${messageOf(error)}`);
  process.exitCode = 1;
}
