/** The test runner rejects a run that would test an older build, or that lacks root. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('a run that cannot start');

const ROOT = resolve(import.meta.dirname, '../..');
const PASSING =
  "import { suite } from 'uvu';\nconst test = suite('x');\ntest('is fine', () => {});\ntest.run();\n";
/** Parts of the checkout that the runner and the build's key need. */
const PARTS = [
  'cni',
  'shared',
  'scripts',
  'package.json',
  'test/helpers',
  'test/run.ts.js',
  'test/runner.ts',
];
const STAMP = `import { readBuildKey } from './scripts/build-key.ts';
import { writeStamp } from './scripts/up-to-date.ts';
writeStamp('dist', (await readBuildKey()).key);
`;

/** A checkout with a test in and outside unit/. */
interface Checkout {
  readonly directory: string;
  /** Marks `dist` as the build of the current sources. */
  build(): Promise<void>;
  run(as: 'root' | 'user', part: string): Promise<{ readonly exitCode?: number; readonly stderr: string }>;
}

async function withCheckout(act: (checkout: Checkout) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-checkout-'));
  try {
    for (const part of PARTS) cpSync(join(ROOT, part), join(directory, part), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    for (const name of ['dist', 'test/cni', 'test/unit']) mkdirSync(join(directory, name));
    for (const name of ['cni', 'unit']) writeFileSync(join(directory, 'test', name, 'a.test.ts'), PASSING);
    writeFileSync(join(directory, 'stamp.ts'), STAMP);
    const env = { TAPWIRE_WAY: 'agent' };
    await act({
      directory,
      build: async () => {
        await execa(join(ROOT, 'node_modules/.bin/node'), ['stamp.ts'], { cwd: directory });
      },
      run: (as, part) => {
        const [file = '', ...words] = [...asUser(as), process.execPath, 'test/run.ts', part];
        return execa(file, words, { cwd: directory, env, reject: false });
      },
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The command before a program that sees itself as root, or as another user. */
function asUser(as: 'root' | 'user'): readonly string[] {
  if ((process.getuid?.() === 0) === (as === 'root')) return [];
  return ['unshare', '--user', ...(as === 'root' ? ['--map-root-user'] : [])];
}

test('a run of an older build exits with 2 until "npm run build", but not one of unit/', () =>
  withCheckout(async ({ directory, build, run }) => {
    const stale = 'Cannot run the tests: dist/ is older than the sources; run "npm run build"';
    const { exitCode, stderr } = await run('root', 'cni/a');
    assert.equal([exitCode, stderr], [2, stale], 'no build');
    await build();
    assert.is((await run('root', 'cni/a')).exitCode, 0, 'after the build');
    writeFileSync(join(directory, 'cni/more.ts'), '');
    assert.is((await run('root', 'cni/a')).stderr, stale, 'after a change');
    assert.is((await run('root', 'unit/a')).exitCode, 0, 'unit/');
  }));

test('without root, a run of tests outside unit/ exits with 2 and names root', () =>
  withCheckout(async ({ build, run }) => {
    await build();
    const { exitCode, stderr } = await run('user', 'cni/a');
    const message = 'test/cni/a.test.ts needs root, as all tests outside unit/; run as root';
    assert.equal([exitCode, stderr], [2, `Cannot run the tests: ${message}`]);
    assert.is((await run('user', 'unit/a')).exitCode, 0, 'unit/');
  }));

test.run();
