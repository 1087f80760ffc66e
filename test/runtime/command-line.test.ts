/** Runs the command as built by `npm run build`, and through `bin/tapwire`. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../package.json' with { type: 'json' };
import { NODE } from '../helpers/agent/agent.ts';
import { BUNDLE } from '../helpers/cluster/command-line.ts';
import { INSTALLER } from '../helpers/cluster/install.ts';

const test = suite('tapwire, the bundle');

const BIN = resolve(import.meta.dirname, '../..', tapwire.bin.tapwire);

test('runs as a program, and prints its version', async () => {
  assert.is((await execa(BIN, ['--version'], { preferLocal: true })).stdout, tapwire.version);
});

test('check accepts the output of manifests', async () => {
  const bindings = ['tap', 'tap-secondary', 'passt'].flatMap((kind) => ['--binding', kind]);
  const image = ['--image', 'registry.example.com/tapwire:0.1.0'];
  const { stdout } = await execa(BIN, ['manifests', ...bindings, ...image], { preferLocal: true });
  const { stderr } = await execa(BIN, ['check', '-'], { input: stdout, preferLocal: true });
  assert.is(stderr, '11 objects checked, 0 of other kinds skipped: 0 errors, 0 warnings');
});

test('rejects another version of Node.js before anything else fails', async () => {
  const older =
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } });";
  const pretend = `data:text/javascript,${encodeURIComponent(older)}`;
  const args = ['--import', pretend, BUNDLE, '--help'];
  const { exitCode, stdout, stderr } = await execa(NODE, args, { reject: false });
  const message = 'Cannot run under Node.js 18.20.8: want 24; use node_modules/.bin/node';
  assert.equal([exitCode, stdout, stderr], [2, '', message]);
});

test('runs on a node with only the installed files', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-'));
  try {
    await execa(NODE, [INSTALLER, '--cni-bin-dir', directory]);
    cpSync(dirname(BUNDLE), join(directory, 'copy'), { recursive: true, dereference: true });
    const [runtime, copy] = [join(directory, '.tapwire/node'), join(directory, 'copy/index.js')];
    const { stdout } = await execa(runtime, [copy, '--version'], { env: {}, extendEnv: false, cwd: '/' });
    assert.is(stdout, tapwire.version);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test.run();
