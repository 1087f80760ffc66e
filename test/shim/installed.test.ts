/** The installed shim, as a file and as a process. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  HELLO,
  INSTALLED,
  reply,
  residentSetOf,
  type Script,
  SHIM,
  shim,
  startShim,
  withAgent,
} from '../helpers/plugin/shim.ts';

const test = suite('the installed shim');

const SOURCES = resolve(import.meta.dirname, '../../cni/shim');

test('the installed shim has no test overrides, and the test build has them', () => {
  const [installed, tests] = [INSTALLED, SHIM].map((path) => readFileSync(path, 'latin1'));
  for (const override of [
    'TAPWIRE_AGENT_SOCKET',
    'TAPWIRE_RUNTIME_DIR',
    'TAPWIRE_HASTE',
    'TAPWIRE_HELLO_SECOND',
    'TAPWIRE_NODE_FILE',
  ]) {
    assert.not.ok(installed?.includes(override), override);
    assert.ok(tests?.includes(override), override);
  }
  assert.not.ok(installed?.includes('TAPWIRE_'));
});

test('the installed shim ignores overrides', async () => {
  const { stdout } = await shim('VERSION', {
    program: [INSTALLED],
    fallbackDir: '/nonexistent',
    socket: '/nonexistent',
  });
  assert.is(JSON.parse(stdout).cniVersion, '1.1.0');
});

test('the installed shim needs no loader and no library', async () => {
  const { stdout } = await execa('readelf', ['--wide', '--program-headers', '--dynamic', INSTALLED]);
  assert.not.match(stdout, /INTERP|DYNAMIC|NEEDED|RWE/);
});

test('the installed shim is small', () => {
  assert.ok(readFileSync(INSTALLED).length < 64 * 1024);
});

test('the installed shim describes itself if there is no command', async () => {
  for (const env of [{}, { CNI_COMMAND: '' }]) {
    const options = { env, extendEnv: false, stdin: 'pipe' } as const;
    const { exitCode, stdout, stderr } = await execa(INSTALLED, ['--help'], options);
    assert.equal([exitCode, stdout], [0, '']);
    assert.match(
      stderr,
      /^CNI plugin tapwire v\d+\.\d+\.\d+: .+\nCNI protocol versions supported: 0\.3\.0, .*1\.1\.0$/,
    );
  }
});

test('the installed shim uses less than 1 MiB of memory', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: isAnswered, resolve: answered } = Promise.withResolvers<void>();
  const script: Script = async (caller, request) => {
    caller.write(HELLO);
    await request;
    caller.write(reply('{}').subarray(0, -1), () => answered());
    await released;
    caller.end(reply('{}').subarray(-1));
  };
  await withAgent(script, async (socket) => {
    const calling = startShim('GC', { socket, input: 'x'.repeat(10_000) });
    await isAnswered;
    await sleep(300); // It has read all but the end of the reply.
    const kib = residentSetOf(calling.pid ?? 0);
    release();
    assert.is((await calling).stdout, '{}');
    assert.ok(kib > 0 && kib < 500, `${kib} KiB`);
  });
});

test('every C source file has at most 150 lines', () => {
  const long = readdirSync(SOURCES).filter(
    (name) => readFileSync(join(SOURCES, name), 'utf8').split('\n').length > 150,
  );
  assert.equal(long, []);
});

test.run();
