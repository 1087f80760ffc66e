/**
 * The script that npx and people call: it finds the bundle and its Node.js from any place that it
 * is linked to.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import manifest from '../../package.json' with { type: 'json' };

const test = suite('bin/tapwire');

const BIN = resolve(import.meta.dirname, '../..', manifest.bin.tapwire);

/**
 * Creates a checkout with only the script, and calls it through a link elsewhere, as npm creates
 * it.
 */
async function withCheckout(act: (root: string, link: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-'));
  const root = join(directory, 'a checkout');
  const link = join(directory, 'tapwire');
  try {
    cpSync(BIN, join(root, manifest.bin.tapwire));
    symlinkSync(join(root, manifest.bin.tapwire), link);
    await act(root, link);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('the script says what to do before the build', () =>
  withCheckout(async (_, link) => {
    const { exitCode, stdout, stderr } = await execa(link, ['check'], { reject: false });
    assert.equal(
      [exitCode, stdout, stderr],
      [1, '', 'Cannot run tapwire: it is not built; run "npm ci && npm run build"'],
    );
  }));

test("after the build the script runs the bundle with the checkout's Node.js and exits with its status", () =>
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
