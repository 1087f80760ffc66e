/** The command as `npm run build` makes it and as `npx tapwire` finds it. */
import { resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../package.json' with { type: 'json' };

const test = suite('tapwire, the bundle');

const BIN = resolve(import.meta.dirname, '../..', tapwire.bin.tapwire);

test('is a program, and knows its version', async () => {
  assert.is((await execa(BIN, ['--version'], { preferLocal: true })).stdout, tapwire.version);
});

test('checks what it makes', async () => {
  const { stdout } = await execa(BIN, ['manifests', '--binding', 'tap', '--binding', 'passt'], {
    preferLocal: true,
  });
  const { stderr } = await execa(BIN, ['check', '-'], { input: stdout, preferLocal: true });
  assert.is(stderr, '9 objects checked, 0 of other kinds passed over: 0 errors, 0 warnings');
});

test.run();
