/** The sidecar's bundle, with its code cache and without. */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cachePathOf, compile } from '../../sidecar/loader.ts';
import { NODE } from '../helpers/agent/agent.ts';
import { callInfo, collectHooks } from '../helpers/sidecar/hook-api.ts';

const test = suite('code cache of the sidecar');

const BUILT = `${import.meta.dirname}/../../dist/sidecar`;
const BUNDLE = `${BUILT}/index.js`;
const CACHE = readFileSync(cachePathOf(BUNDLE));

test('V8 accepts the built cache', () => {
  const [, literal = ''] =
    /await start\((".*"), import\.meta\.url\);\n$/.exec(readFileSync(BUNDLE, 'utf8')) ?? [];
  assert.is(compile(JSON.parse(literal), BUNDLE, CACHE).cachedDataRejected, false);
});

/** Runs a copy of the bundle with this cache until it has replied to Info. */
async function serve(cache: Buffer | null): Promise<void> {
  const directory = mkdtempSync(`${tmpdir()}/tapwire-cache-`);
  for (const name of ['index.js', 'package.json', 'tapwire.node'])
    copyFileSync(`${BUILT}/${name}`, `${directory}/${name}`);
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
  ['with the cache of another program', compile('(async () => {})', BUNDLE).createCachedData()],
] as const) {
  test(`a copy of the bundle serves ${what}`, () => serve(cache));
}

test.run();
