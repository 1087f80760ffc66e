/** Output of `npm run build` and `npm run demo` before they do anything. */
import { resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('scripts');

const ROOT = resolve(import.meta.dirname, '../..');

test('a build without a C compiler names the package to install and changes nothing', async () => {
  const env = { PATH: '/nonexistent' };
  const options = { env, extendEnv: false, reject: false } as const;
  const { exitCode, stderr } = await execa(process.execPath, [`${ROOT}/scripts/build.ts`], options);
  assert.is(stderr, 'Cannot build: gcc is missing; run "apt-get install gcc libc6-dev"');
  assert.is(exitCode, 1);
});

test('the demo prints its options before it sets up anything', async () => {
  const options = { env: { PATH: '/usr/bin:/bin' }, extendEnv: false, cwd: '/' } as const;
  const { stdout } = await execa('sh', [`${ROOT}/demo/run.sh`, '--keep', '--help'], options);
  assert.match(stdout, /^Usage: npm run demo [\s\S]*\n {2}--help {3,}print this help$/);
  for (const option of ['--keep', '--console', '--down'])
    assert.ok(stdout.includes(`\n  ${option} `), option);
});

test.run();
