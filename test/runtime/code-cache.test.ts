/** The sidecar's bundle, with its code cache and without. */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeCodeCache } from '../../scripts/code-cache.ts';
import { cachePathOf, compile } from '../../sidecar/loader.ts';
import { NODE } from '../helpers/agent/agent.ts';
import { callInfo, collectHooks } from '../helpers/sidecar/hook-api.ts';

const test = suite('code cache of the sidecar');

const BUILT = `${import.meta.dirname}/../../dist/sidecar`;
const BUNDLE = `${BUILT}/index.js`;
const CACHE = readFileSync(cachePathOf(BUNDLE));

/** The program as a string, from the end of the bundle. */
function readProgram(): string {
  const [, literal = ''] =
    /await start\((".*"), import\.meta\.url\);\n$/.exec(readFileSync(BUNDLE, 'utf8')) ?? [];
  return JSON.parse(literal);
}

test('V8 accepts the built cache', () => {
  assert.is(compile(readProgram(), CACHE).cachedDataRejected, false);
});

test('a second build in another directory writes the same cache', async () => {
  const directory = copyBundle();
  try {
    await writeCodeCache(readProgram(), `${directory}/index.js`, directory);
    assert.ok(readFileSync(cachePathOf(`${directory}/index.js`)).equals(CACHE));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** Copies the files from which the sidecar can start to a new directory. */
function copyBundle(): string {
  const directory = mkdtempSync(`${tmpdir()}/tapwire-cache-`);
  for (const name of ['index.js', 'package.json', 'tapwire.node'])
    copyFileSync(`${BUILT}/${name}`, `${directory}/${name}`);
  return directory;
}

/** Runs a copy of the bundle with this cache until it has replied to Info. */
async function serve(cache: Buffer | null): Promise<void> {
  const directory = copyBundle();
  if (cache !== null) writeFileSync(cachePathOf(`${directory}/index.js`), cache);
  const hooks = `${directory}/hooks`;
  mkdirSync(hooks);
  const env = { TAPWIRE_HOOK_DIR: hooks };
  const sidecar = spawn(NODE, [`${directory}/index.js`], { env, stdio: 'ignore' });
  try {
    const [hook] = await collectHooks(hooks, 'flat', 1);
    assert.is((await callInfo(hook?.socket ?? ''))['name'], 'tapwire');
  } finally {
    sidecar.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

for (const [what, cache] of [
  ['without a cache', null],
  ['with the built cache', CACHE],
  ['with an empty cache', Buffer.alloc(0)],
  ['with text as its cache', Buffer.from('no code')],
  ['with half a cache', CACHE.subarray(0, CACHE.length / 2)],
  ['with the cache of another program', compile('(async () => {})').createCachedData()],
] as const) {
  test(`a copy of the bundle serves ${what}`, () => serve(cache));
}

test.run();
