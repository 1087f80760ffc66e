/**
 * A run of the tests that is interrupted: everything that its files have created is deleted, and
 * nothing else.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isRunning, until } from '../helpers/agent/agent-node.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('an interrupted run');

const TEST = resolve(import.meta.dirname, '..');

/**
 * A test file that never ends. Its processes are a child, one in a session of its own, one whose
 * parent has ended, and one of the last kind in the netns.
 */
const HANGING = `import { execa } from 'execa';
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { suite } from 'uvu';
import { withNetns } from '${TEST}/helpers/pod/netns.ts';

const test = suite('x');
test('hangs', () => withNetns(async ({ name }) => {
  const told = process.env.TOLD;
  const tell = (line) => appendFileSync(told, line + '\\n');
  tell('netns ' + name);
  tell('pid ' + process.pid);
  tell('pid ' + spawn('sleep', ['1000']).pid);
  tell('pid ' + spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).pid);
  const orphan = 'sleep 1000 >/dev/null 2>&1 & echo pid $! >> ' + told;
  await execa('sh', ['-c', orphan]);
  await execa('ip', ['netns', 'exec', name, 'setsid', 'sh', '-c', orphan]);
  tell('ready');
  await new Promise((resolve) => setTimeout(resolve, 1_000_000));
}));
test.run();
`;

/** Runs two such files at once, with the rest waiting. */
async function withRun(
  act: (pid: number, told: () => readonly (readonly string[])[], ended: Promise<unknown[]>) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-interrupted-'));
  const file = join(directory, 'told');
  try {
    symlinkSync(join(TEST, '../node_modules'), join(directory, 'node_modules'));
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
    mkdirSync(join(directory, 'files'));
    for (const name of ['a', 'b']) writeFileSync(join(directory, `files/${name}.test.ts`), HANGING);
    writeFileSync(file, '');
    const told = () =>
      readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.split(' '));
    const runner = spawn(process.execPath, [join(TEST, 'run.ts'), '--root', join(directory, 'files')], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, TOLD: file },
    });
    await act(runner.pid ?? 0, told, once(runner, 'exit'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

for (const [signal, to, status] of [
  ['SIGINT', 'its process group, as Ctrl-C does', 130],
  ['SIGTERM', 'the runner', 143],
  ['SIGHUP', 'the runner', 129],
] as const) {
  test(`${signal} to ${to} removes the netns and processes of its files, and no others`, () =>
    withNetns(async (foreign) => {
      await withRun(async (runner, told, ended) => {
        const of = (kind: string) => told().flatMap(([word, value = '']) => (word === kind ? [value] : []));
        await until('a file has made all', () => of('ready').length > 0);
        process.kill(signal === 'SIGINT' ? -runner : runner, signal);
        assert.equal(await ended, [status, null]);

        const pids = of('pid').map(Number);
        assert.ok(pids.length >= 5, `${pids.length} processes`);
        await until('all processes have ended', () => pids.every((pid) => !isRunning(pid)));
        for (const name of of('netns')) assert.not(existsSync(`/run/netns/${name}`), name);
      });
      assert.ok(existsSync(foreign.path), 'a netns of another run stays');
    }));
}

test.run();
