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
async function runFile(
  source: string,
  path = 'a.test.ts',
  env: Readonly<Record<string, string>> = {},
  recordings: readonly string[] = [],
  parts: readonly string[] = [],
) {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-runner-'));
  try {
    symlinkSync(resolve(import.meta.dirname, '../../node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    if (source !== '') writeFileSync(join(folder, path), source);
    for (const recording of recordings) {
      const file = join(folder, 'fixtures/recorded', recording);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, '');
    }
    const runner = resolve(import.meta.dirname, '../run.ts');
    const { exitCode, stdout, stderr } = await execa(process.execPath, [runner, '--root', folder, ...parts], {
      reject: false,
      env: { TAPWIRE_WAY: '', ...env },
    });
    const lines = stdout.split('\n');
    const names = lines.flatMap((line) => /^(?:ok {2}|FAIL) (.*) \(/.exec(line)?.[1] ?? []).sort();
    return { exitCode, closing: lines.at(-1), names, stdout, stderr };
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
    const { stdout: _, stderr: __, ...run } = await runFile(source);
    assert.equal(run, { exitCode, closing, names });
  });
}

test('a file that calls the plugin runs once for each way and knows its way', async () => {
  const source = `${HEAD}test(process.env.TAPWIRE_WAY, () => { if (process.env.TAPWIRE_WAY === 'agent') throw new Error(); });\ntest.run();\n`;
  const { stdout: _, stderr: __, ...run } = await runFile(source, 'cni/a.test.ts');
  assert.equal(run, {
    exitCode: 1,
    closing: '2 passed, 1 failed, 0 skipped',
    names: ['agent', 'fallback', 'one-shot'].map((way) => `test/cni/a.test.ts by ${way}`),
  });
});

const SAMPLED = `import { inOneWay } from '${resolve(import.meta.dirname, '../helpers/plugin/way.ts')}';
import { suite } from 'uvu';
const everyWay = suite('x');
const test = inOneWay(everyWay);
everyWay('a', () => {});
test('b', () => {});
everyWay.run();
`;

test('a run of all ways runs only the sample outside the agent, and says where the time went', async () => {
  const { exitCode, closing, stdout } = await runFile(SAMPLED, 'cni/a.test.ts');
  assert.equal([exitCode, closing], [0, '4 passed, 0 failed, 0 skipped']);
  assert.match(stdout, /by agent \(2 passed/);
  assert.match(stdout, /\nLongest of 3 runs of files, in seconds:\n( +\d+\.\d cni\/a\.test\.ts by \S+\n){3}/);
  assert.match(stdout, /\nSeconds by directory: cni \d+; \d+ in all, done in \d+\n/);
});

test('a run of one way runs every test', async () => {
  const { exitCode, closing } = await runFile(SAMPLED, 'cni/a.test.ts', { TAPWIRE_WAY: 'fallback' });
  assert.equal([exitCode, closing], [0, '2 passed, 0 failed, 0 skipped']);
});

test('a file that names no sample is red', async () => {
  const unsampled = SAMPLED.replace("everyWay('a', () => {});\n", '');
  const { exitCode, closing } = await runFile(unsampled, 'cni/a.test.ts');
  assert.equal([exitCode, closing], [1, '1 passed, 2 failed, 0 skipped']);
});

test('TAPWIRE_WAY chooses one way', async () => {
  const {
    stdout: _,
    stderr: __,
    ...run
  } = await runFile(PASSING, 'runtime/containerd.test.ts', {
    TAPWIRE_WAY: 'fallback',
  });
  assert.equal(run, {
    exitCode: 0,
    closing: '1 passed, 0 failed, 0 skipped',
    names: ['test/runtime/containerd.test.ts by fallback'],
  });
});

test('a mistyped TAPWIRE_WAY exits with 2 and names the ways', async () => {
  const { exitCode, stderr } = await runFile(PASSING, 'cni/a.test.ts', { TAPWIRE_WAY: 'agnet' });
  const advice = 'set it to one-shot, agent, fallback, or unset it';
  assert.equal([exitCode, stderr], [2, `Cannot run the tests: TAPWIRE_WAY is "agnet"; ${advice}`]);
});

test('a way that none of the files has is red', async () => {
  const env = { TAPWIRE_WAY: 'one-shot' };
  const { exitCode, closing, stdout } = await runFile(PASSING, 'runtime/containerd.test.ts', env);
  assert.equal([exitCode, closing], [1, '0 passed, 1 failed, 0 skipped']);
  assert.match(stdout, 'No matching test file runs with TAPWIRE_WAY=one-shot');
});

const REPLAYING = `import { replayed } from '${resolve(import.meta.dirname, '../helpers/plugin/recorded.ts')}';
${HEAD}test('a', () => replayed('here', ['cni/a.json', 'hooks/x/b.xml']));
test.run();
`;
const RECORDINGS = ['README.md', 'cni/a.json', 'hooks/x/b.xml'];

test('a run in which every recording is replayed is green and names them', async () => {
  const { exitCode, closing, stdout } = await runFile(REPLAYING, 'a.test.ts', {}, RECORDINGS);
  assert.equal([exitCode, closing], [0, '1 passed, 0 failed, 0 skipped']);
  assert.match(stdout, '     @ replayed here: cni/a.json hooks/x/b.xml');
});

test('a recording that no test replays makes a run of all files red', async () => {
  const recordings = [...RECORDINGS, 'hooks/x/c.json'];
  const { exitCode, closing, stdout } = await runFile(REPLAYING, 'a.test.ts', {}, recordings);
  assert.equal([exitCode, closing], [1, '1 passed, 1 failed, 0 skipped']);
  assert.match(stdout, 'FAIL test/fixtures/recorded/hooks/x/c.json: no test has replayed it');
});

test('an older Node.js is told what to run, and --help and unknown options are answered in words', async () => {
  const start = (...args: readonly string[]) =>
    execa(process.execPath, [...args], { reject: false, cwd: resolve(import.meta.dirname, '../..') });
  const old = await start('--no-experimental-strip-types', 'test/run.ts');
  assert.match(
    old.stderr,
    /^Cannot run the tests: Node\.js v\S+ cannot run TypeScript; run "npm test -- unit\/cni" once, then "[^"]+"$/,
  );
  assert.is(old.exitCode, 1);
  const help = await start('test/run.ts', '--help');
  assert.match(help.stdout, /^Usage: node test\/run\.ts /);
  assert.is(help.exitCode, 0);
  const unknown = await start('test/run.ts', '--hlp');
  assert.is(unknown.stderr, `Cannot run the tests: Unknown option '--hlp'; see "node test/run.ts --help"`);
  assert.is(unknown.exitCode, 2);
});

test('a run of some files may skip recordings', async () => {
  const { exitCode } = await runFile(REPLAYING, 'a.test.ts', {}, ['cni/other.json'], ['a.test']);
  assert.is(exitCode, 0);
});

test.run();
