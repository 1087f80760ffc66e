/**
 * A run of the tests or of the benchmark that is interrupted: everything that it has created is
 * deleted, and nothing else.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isRunning, until } from '../helpers/agent/agent-node.ts';
import { cgroupsOf } from '../helpers/cluster/containerd/cgroups.ts';
import { HANG } from '../helpers/hang.ts';
import { withSandbox } from '../helpers/interrupt/sandbox.ts';
import { type Moment, stopAt } from '../helpers/interrupt/stop.ts';
import { problemsOf } from '../helpers/interrupt/verdict.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('an interrupted run');

const TEST = resolve(import.meta.dirname, '..');

/**
 * A test file that never ends. Its processes are a child, one in a session of its own, one whose
 * parent has ended, and one of the last kind in the netns. It also has a cgroup and a temporary
 * directory.
 */
const HANGING = `import { execa } from 'execa';
import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { suite } from 'uvu';
import { withNetns } from '${TEST}/helpers/pod/netns.ts';

const test = suite('x');
test('hangs', () => withNetns(async ({ name }) => {
  const told = process.env.TOLD;
  const tell = (line) => appendFileSync(told, line + '\\n');
  tell('netns ' + name);
  tell('path ' + mkdtempSync(tmpdir() + '/tapwire-left-'));
  const cgroup = process.env.CGROUPS + '/' + name;
  mkdirSync(cgroup);
  tell('path ' + cgroup);
  tell('pid ' + process.pid);
  tell('file ' + process.pid);
  tell('pid ' + spawn('sleep', ['1000']).pid);
  const apart = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).pid;
  tell('pid ' + apart);
  tell('apart ' + apart);
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
      env: { ...process.env, TOLD: file, CGROUPS: cgroupsOf('').at(-1) ?? '' },
    });
    await act(runner.pid ?? 0, told, once(runner, 'exit'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('a file that is killed leaves no netns, no cgroup, and no process of its session', () =>
  withRun(async (_runner, told, ended) => {
    const of = (kind: string) => told().flatMap(([word, value = '']) => (word === kind ? [value] : []));
    await until('both files have made all', () => of('ready').length === 2);
    for (const pid of of('file')) process.kill(Number(pid), 'SIGKILL');
    assert.equal(await ended, [1, null]);

    // Nothing leads to a process that has left the session and lost its parent.
    const apart = of('apart');
    for (const pid of apart) process.kill(Number(pid), 'SIGKILL');
    const pids = of('pid').map(Number);
    await until('all processes have ended', () => pids.every((pid) => !isRunning(pid)));
    assert.is(of('netns').length, 2);
    for (const name of of('netns')) assert.not(existsSync(`/run/netns/${name}`), name);
    for (const path of of('path')) assert.not(existsSync(path), path);
  }));

for (const [signal, count, to, status] of [
  ['SIGINT', 10, 'its process group, as Ctrl-C does', 130],
  ['SIGTERM', 1, 'the runner', 143],
  ['SIGHUP', 2, 'the runner', 129],
] as const) {
  test(`${count} ${signal} to ${to} removes all that its files have made, and nothing else`, () =>
    withNetns(async (foreign) => {
      await withRun(async (runner, told, ended) => {
        const of = (kind: string) => told().flatMap(([word, value = '']) => (word === kind ? [value] : []));
        await until('a file has made all', () => of('ready').length > 0);
        for (let sent = 0; sent < count && isRunning(runner); sent += 1) {
          process.kill(signal === 'SIGINT' ? -runner : runner, signal);
          await sleep(10);
        }
        assert.equal(await ended, [status, null]);

        const pids = of('pid').map(Number);
        assert.ok(pids.length >= 5, `${pids.length} processes`);
        await until('all processes have ended', () => pids.every((pid) => !isRunning(pid)));
        for (const name of of('netns')) assert.not(existsSync(`/run/netns/${name}`), name);
        assert.ok(of('path').length >= 2);
        for (const path of of('path')) assert.not(existsSync(path), path);
      });
      assert.ok(existsSync(foreign.path), 'a netns of another run stays');
    }));
}

/** The cgroups of all runs of the benchmark. */
const benchCgroups = (): readonly string[] =>
  cgroupsOf('')
    .flatMap((path) => readdirSync(path))
    .filter((name) => name.startsWith('tapwire-bench-'));

test('Ctrl-C three times stops the benchmark, which leaves no process, netns, cgroup or file', () => {
  const checkout = resolve(TEST, '..');
  const before = benchCgroups();
  return withSandbox({ checkout, hasNetwork: false }, async (sandbox) => {
    const moment: Moment = {
      after: 'calls: ',
      delay: 500,
      blows: [0, 50, 100].map((at) => ['Ctrl-C', at] as const),
    };
    const stopped = await stopAt(sandbox, checkout, 'npm run bench -- --only calls', moment, HANG);
    assert.equal(await problemsOf(sandbox, moment, stopped, { told: HANG, ended: HANG }), [], stopped.output);
    assert.is(stopped.isOver, false, stopped.output);
    assert.match(stopped.output, 'Stopped by SIGINT: ending all programs of the benchmark');
    assert.equal(
      benchCgroups().filter((name) => !before.includes(name)),
      [],
    );
  });
});

test.run();
