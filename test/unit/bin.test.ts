/** What npx and people call: a script that finds the bundle and its Node.js from wherever it is linked. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import manifest from '../../package.json' with { type: 'json' };

const test = suite('bin/tapwire');

const BIN = resolve(import.meta.dirname, '../..', manifest.bin.tapwire);

/** A checkout of the script alone; what is called is a link to it elsewhere, as npm makes them. */
async function withCheckout(act: (root: string, link: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-'));
  const root = join(folder, 'a checkout');
  const link = join(folder, 'tapwire');
  try {
    cpSync(BIN, join(root, manifest.bin.tapwire));
    symlinkSync(join(root, manifest.bin.tapwire), link);
    await act(root, link);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('before the build: says what to do', () =>
  withCheckout(async (_, link) => {
    const { exitCode, stdout, stderr } = await execa(link, ['check'], { reject: false });
    assert.equal(
      [exitCode, stdout, stderr],
      [1, '', 'Cannot run tapwire: it is not built; run "npm run build"'],
    );
  }));

test('after it: runs the bundle, with the Node.js of the checkout, and ends as it does', () =>
  withCheckout(async (root, link) => {
    mkdirSync(join(root, 'dist/tapwire'), { recursive: true });
    mkdirSync(join(root, 'node_modules/.bin'), { recursive: true });
    symlinkSync(process.execPath, join(root, 'node_modules/.bin/node'));
    const bundle = 'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 7;';
    writeFileSync(join(root, 'dist/tapwire/index.js'), bundle);
    const { exitCode, stdout } = await execa(link, ['check', 'a b', '-'], {
      env: { PATH: '/usr/bin:/bin' },
      extendEnv: false,
      reject: false,
    });
    assert.equal([exitCode, JSON.parse(stdout)], [7, ['check', 'a b', '-']]);
  }));

test.run();
