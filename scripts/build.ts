/**
 * Builds the addon, the shim and the bundles: `dist/cni` (shim, one-shot), `dist/agent`, `dist/install`, `dist/sidecar` and
 * `dist/tapwire` (command line). Needs a C compiler, not root.
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
import { librariesOf, nameInFallback } from './libraries.ts';

process.chdir(`${import.meta.dirname}/..`);
/** Nothing is written outside the checkout, so tsc is kept from caching its own compiled code in /tmp. */
const env = { NODE_DISABLE_COMPILE_CACHE: '1' };
const run = execa({ preferLocal: true, stdio: ['ignore', 'ignore', 'inherit'], env });

const C_FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror'];
const ADDON = 'shared/native/tapwire.node';
/** Built aside and moved at the end: whoever runs the old programs meanwhile never sees half of the new ones. */
const STAGE = 'build/dist';

async function buildAddon(): Promise<void> {
  const headers = 'node_modules/node-api-headers/include';
  await run('gcc', [
    ...C_FLAGS,
    '-shared',
    '-fPIC',
    '-fvisibility=hidden', // a name that Node exports as well would otherwise be Node's
    '-I',
    headers,
    '-o',
    'build/tapwire.node',
    ...globSync('shared/native/*.c'),
  ]);
  renameSync('build/tapwire.node', ADDON);
}

/** Where each program begins. */
const MAINS = {
  agent: 'daemonset/main',
  cni: 'cni/main',
  install: 'daemonset/install/main',
  sidecar: 'sidecar/main',
  tapwire: 'cli/main',
} as const;

/** Bundles one program. ncc leaves the addon out (it cannot see through createRequire), so it is laid beside the bundle. */
async function bundle(program: keyof typeof MAINS): Promise<void> {
  await run('ncc', [
    'build',
    `build/${MAINS[program]}.js`,
    '--no-cache',
    '--minify',
    '--out',
    `${STAGE}/${program}`,
  ]);
  cpSync(ADDON, `${STAGE}/${program}/tapwire.node`);
  // grpc-js reads these directories of .proto files only for channelz and xDS, which Tapwire does not use.
  for (const directory of ['proto', 'protoc-gen-validate', 'xds']) {
    rmSync(`${STAGE}/${program}/${directory}`, { recursive: true, force: true });
  }
}

/** Everything that the shim must not have: a C library, and what compilers add for one. */
const FREESTANDING = [
  '-std=gnu11',
  '-ffreestanding',
  '-fno-tree-loop-distribute-patterns', // would make memset of a loop that is memset
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-fno-pie',
  '-no-pie',
  '-static',
  '-nostdlib',
  '-s',
  '-Wl,--build-id=none',
];
/** The folders below dist/cni and dist/test that the shim of an architecture lies in, and who compiles it. */
const COMPILERS = { '.': 'gcc', arm64: 'aarch64-linux-gnu-gcc' } as const;

/** The shim that gets installed, and the one of the tests, which takes paths and patience from the environment. */
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

async function isInstalled(compiler: string): Promise<boolean> {
  return (await execa(compiler, ['--version'], { reject: false })).exitCode === 0;
}

/** What the shim runs where there is no agent, complete for a node that has neither Node nor a C library. */
async function assembleFallback(): Promise<void> {
  const fallback = `${STAGE}/cni/.tapwire`;
  mkdirSync(`${fallback}/lib`, { recursive: true });
  symlinkSync('../../../node_modules/node/bin/node', `${fallback}/node`); // too large to be here twice
  for (const name of ['index.js', 'package.json', 'tapwire.node', 'tapwire']) {
    symlinkSync(`../${name}`, `${fallback}/${name}`);
  }
  for (const path of await librariesOf('node_modules/node/bin/node', ADDON)) {
    cpSync(realpathSync(path), `${fallback}/lib/${nameInFallback(path)}`);
  }
  mkdirSync(`${STAGE}/test`, { recursive: true });
  symlinkSync('../cni/.tapwire', `${STAGE}/test/.tapwire`);
}

if (!(await isInstalled('gcc'))) {
  console.error('Cannot build: there is no gcc; apt-get install gcc libc6-dev');
  process.exit(1);
}
rmSync('build', { recursive: true, force: true });
mkdirSync('build');
await Promise.all([buildAddon(), run('tsc', ['-p', 'tsconfig.build.json', '--noCheck'])]);
await Promise.all([
  bundle('agent'),
  bundle('cni'),
  bundle('install'),
  bundle('sidecar'),
  bundle('tapwire'),
  assembleFallback(),
  buildShims('.'),
]);
// makes taps for them under another SELinux label
for (const program of ['agent', 'tapwire']) symlinkSync('../cni/tapwire', `${STAGE}/${program}/tapwire`);
if (await isInstalled(COMPILERS.arm64)) await buildShims('arm64');
// what `npm run image` has made, of whatever was here then
if (existsSync('dist/image')) renameSync('dist/image', `${STAGE}/image`);
if (existsSync('dist')) renameSync('dist', 'build/dist.old');
renameSync(STAGE, 'dist');
