import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('the test runner');

const HEAD = "import { suite } from 'uvu';\nconst test = suite('x');\n";
const PASSING = `${HEAD}test('is fine', () => {});\ntest.run();\n`;

/** Runs the runner over one test file with this source. */
async function runFile(source: string, path = 'a.test.ts', env: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-runner-'));
  try {
    symlinkSync(resolve(import.meta.dirname, '../../node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    if (source !== '') writeFileSync(join(folder, path), source);
    const runner = resolve(import.meta.dirname, '../run.ts');
    const { exitCode, stdout } = await execa(process.execPath, [runner, '--root', folder], {
      reject: false,
      env: { TAPWIRE_WAY: '', ...env },
    });
    const lines = stdout.split('\n');
    const names = lines.flatMap((line) => /^(?:ok {2}|FAIL) (.*) \(/.exec(line)?.[1] ?? []).sort();
    return { exitCode, closing: lines.at(-1), names };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const [title, source, exitCode, closing] of [
  ['a passing file is green', PASSING, 0, '1 passed, 0 failed, 0 skipped'],
  [
    'a skipped test is counted',
    `${HEAD}test('a', () => {});\ntest.skip('b', () => {});\ntest.run();\n`,
    0,
    '1 passed, 0 failed, 1 skipped',
  ],
  [
    'a failing test is red',
    `${HEAD}test('a', () => { throw new Error(); });\ntest('b', () => {});\ntest.run();\n`,
    1,
    '1 passed, 1 failed, 0 skipped',
  ],
  ['no file at all is red', '', 1, '0 passed, 1 failed, 0 skipped'],
  ['a file without run() is red', `${HEAD}test('is fine', () => {});\n`, 1, '0 passed, 1 failed, 0 skipped'],
  ['a suite without tests is red', `${HEAD}test.run();\n`, 1, '0 passed, 1 failed, 0 skipped'],
  [
    'a test that never ends is red',
    `${HEAD}test('a', () => new Promise(() => {}));\ntest.run();\n`,
    1,
    '0 passed, 1 failed, 0 skipped',
  ],
  ['a file that does not compile is red', 'const', 1, '0 passed, 1 failed, 0 skipped'],
  [
    'a bad exit after green tests is red',
    `${PASSING}process.on('exit', () => { process.exitCode = 3; });\n`,
    1,
    '1 passed, 1 failed, 0 skipped',
  ],
  [
    'a throwing hook is red',
    `${HEAD}test('a', () => {});\ntest.before(() => { throw new Error(); });\ntest.run();\n`,
    1,
    '0 passed, 1 failed, 0 skipped',
  ],
] as const) {
  test(title, async () => {
    const names = source === '' ? [] : ['test/a.test.ts'];
    assert.equal(await runFile(source), { exitCode, closing, names });
  });
}

test('a file that calls the plugin runs once for each way, and knows which', async () => {
  const source = `${HEAD}test(process.env.TAPWIRE_WAY, () => { if (process.env.TAPWIRE_WAY === 'agent') throw new Error(); });\ntest.run();\n`;
  assert.equal(await runFile(source, 'cni/a.test.ts'), {
    exitCode: 1,
    closing: '2 passed, 1 failed, 0 skipped',
    names: ['agent', 'fallback', 'one-shot'].map((way) => `test/cni/a.test.ts by ${way}`),
  });
});

test('TAPWIRE_WAY chooses one way', async () => {
  assert.equal(await runFile(PASSING, 'runtime/containerd.test.ts', { TAPWIRE_WAY: 'fallback' }), {
    exitCode: 0,
    closing: '1 passed, 0 failed, 0 skipped',
    names: ['test/runtime/containerd.test.ts by fallback'],
  });
});

test.run();
