/** Builds the addon and the bundles: `dist/cni` (launcher, one-shot) and `dist/sidecar`. Needs a C compiler, not root. */
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { execa } from 'execa';

const run = execa({ cwd: `${import.meta.dirname}/..`, preferLocal: true, stdio: ['ignore', 'ignore', 'inherit'] });
const ADDON = 'shared/native/tapwire.node';

async function buildAddon(): Promise<void> {
  await run`gcc -shared -fPIC -O2 -Wall -Wextra -Werror -I node_modules/node-api-headers/include
    -o ${ADDON} shared/native/tapwire.c`;
}

/** Bundles one program. ncc leaves the addon out (it cannot see through createRequire), so it is laid beside the bundle. */
async function bundle(program: 'cni' | 'sidecar'): Promise<void> {
  await run`ncc build build/${program}/main.js --minify --out dist/${program}`;
  cpSync(ADDON, `dist/${program}/tapwire.node`);
}

/** The launcher and, beside it, the runtime it execs: the layout of the installed plugin. */
async function buildLauncher(): Promise<void> {
  await run`gcc -static -O2 -Wall -Wextra -Werror -o dist/cni/tapwire cni/launcher/launcher.c`;
  mkdirSync('dist/cni/.tapwire', { recursive: true });
  symlinkSync('../../../node_modules/node/bin/node', 'dist/cni/.tapwire/node');
}

process.chdir(`${import.meta.dirname}/..`);
rmSync('build', { recursive: true, force: true });
rmSync('dist', { recursive: true, force: true });
await Promise.all([buildAddon(), run`tsc -p tsconfig.build.json`]);
await Promise.all([bundle('cni'), bundle('sidecar')]);
await buildLauncher();
