/**
 * The node's only turn to run the fallback belongs to calls that hold the lock of their netns. A
 * process in a pod can take that lock as well. So it hinders the calls of its own pod, but no
 * others.
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { native } from '../../shared/native/native.ts';
import { isCorrect, succeeded, until, withPods } from '../helpers/agent/agent-node.ts';
import { errorOf, shim, startShim, withFallback } from '../helpers/plugin/shim.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite("the fallback's turn");

const CONF = '{"cniVersion":"1.0.0","name":"n","type":"tapwire"}';

/** Writes down whether its argument, a descriptor, has a lock (proc_pid_fdinfo(5)). */
const RECORD = `#!/bin/sh
for argument; do :; done
if grep -q '^lock:.*FLOCK' "/proc/$$/fdinfo/$argument"; then state=locked; else state=unlocked; fi
echo "$CNI_CONTAINERID $state" >> log
`;

/** The lines that the fallback has written. */
const recordOf = (fallbackDir: string): readonly string[] =>
  readFileSync(join(fallbackDir, 'log'), 'utf8').split('\n').slice(0, -1);

/** Takes the lock of a file. Undefined if another process holds it. */
function tryToHold(path: string): (() => void) | undefined {
  const fd = openSync(path, 'r');
  if (native.tryLock(fd)) return () => closeSync(fd);
  closeSync(fd);
  return undefined;
}

/** Whether the process has a descriptor of the file. */
function hasOpened(pid: number | undefined, path: string): boolean {
  const fds = `/proc/${pid}/fd`;
  return readdirSync(fds).some((fd) => {
    try {
      return readlinkSync(join(fds, fd)) === path;
    } catch {
      return false; // closed meanwhile
    }
  });
}

/** Milliseconds for which the hostile processes hold the lock, and for which they leave it. */
const HELD = [0, 3, 25, 150];
const LEFT = 8;

/** Holds the lock of a netns again and again, until it is told to stop. Counts how often. */
function harass(path: string, rhythm: number): () => Promise<number> {
  let isOver = false;
  let count = 0;
  const task = (async () => {
    for (; !isOver; await sleep(LEFT)) {
      const release = tryToHold(path);
      if (release === undefined) continue;
      count += 1;
      await sleep(HELD[(rhythm + count) % HELD.length]);
      release();
    }
    return count;
  })();
  return () => {
    isOver = true;
    return task;
  };
}

for (const hostile of [1, 4]) {
  test(`no call takes the turn without the lock of its netns, next to pods that fight for it: ${hostile}`, () =>
    withPods(hostile + 1, (pods) =>
      withFallback(async (fallbackDir) => {
        const [victim, ...others] = pods;
        if (victim === undefined) throw new Error('no pods');
        const call = (id: string, path: string) =>
          shim('ADD', { fallbackDir, input: CONF, env: { CNI_CONTAINERID: id, CNI_NETNS: path } });
        /** Counts the calls that succeed. Those of the hostile pods may end without the lock. */
        const repeat = async (id: string, path: string) => {
          let successes = 0;
          for (let i = 0; i < 8; i++) {
            const answer = await call(id, path);
            if (id === 'victim') succeeded(answer);
            else isCorrect(answer, id);
            if (answer.exitCode === 0) successes += 1;
          }
          return successes;
        };
        const ends = others.map(({ path }, i) => harass(path, i));
        const served = await Promise.all([
          repeat('victim', victim.path),
          ...others.map(({ path }) => repeat('hostile', path)),
        ]);
        for (const end of ends) assert.ok((await end()) > 0, 'the lock was taken');

        const record = recordOf(fallbackDir);
        const total = served.reduce((sum, count) => sum + count);
        assert.is(record.filter((line) => line === 'victim locked').length, 8);
        assert.is(record.filter((line) => line === 'hostile locked').length, total - 8);
        assert.is(record.length, total);
      }, RECORD),
    ));

  test(`calls that wait for the lock of their netns leave the turn to others: ${hostile}`, () =>
    withPods(hostile + 1, (pods) =>
      withFallback(async (fallbackDir) => {
        const [victim, ...others] = pods;
        if (victim === undefined) throw new Error('no pods');
        const start = (id: string, path: string) =>
          startShim('DEL', { fallbackDir, input: CONF, env: { CNI_CONTAINERID: id, CNI_NETNS: path } });
        const releases = others.map(({ path }) => tryToHold(path));
        const waiting = others.map(({ path }) => start('hostile', path));
        for (const [i, { path }] of others.entries()) {
          await until('the call waits', () => hasOpened(waiting[i]?.pid, path));
        }
        assert.is((await start('victim', victim.path)).exitCode, 0);
        assert.equal(recordOf(fallbackDir), ['victim locked']);

        for (const release of releases) release?.();
        for (const call of waiting) assert.is((await call).exitCode, 0);
        assert.equal(recordOf(fallbackDir).slice(1), Array(hostile).fill('hostile locked'));
      }, RECORD),
    ));
}

test('a call that waits for its turn holds the lock of its netns, and releases it when it is killed', () =>
  withNetns(({ path }) =>
    withFallback(async (fallbackDir) => {
      const release = tryToHold(fallbackDir);
      const waiting = startShim('ADD', { fallbackDir, input: CONF, env: { CNI_NETNS: path } });
      await until('it waits for its turn', () => hasOpened(waiting.pid, fallbackDir));
      assert.is(tryToHold(path), undefined);
      waiting.kill('SIGKILL');
      await waiting;
      const releaseNetns = tryToHold(path);
      assert.ok(releaseNetns !== undefined, 'its lock ends with it');
      releaseNetns();
      release?.();
      assert.is((await shim('ADD', { fallbackDir, input: CONF, env: { CNI_NETNS: path } })).exitCode, 0);
    }, RECORD),
  ));

test('a call without a netns needs no lock', () =>
  withFallback(async (fallbackDir) => {
    for (const command of ['VERSION', 'STATUS', 'GC']) await shim(command, { fallbackDir, input: CONF });
    for (const path of ['', '/nonexistent', '/proc/self/ns/net', '/dev/null']) {
      await shim('DEL', { fallbackDir, input: CONF, env: { CNI_NETNS: path } });
    }
    assert.is(recordOf(fallbackDir).length, 7);
    assert.ok(recordOf(fallbackDir).every((line) => line.endsWith('unlocked')));
  }, RECORD));

test('a call that never gets the lock of its netns reports it, and not that it waited for its turn', () =>
  withNetns(({ path }) =>
    withFallback(async (fallbackDir) => {
      const releases = [tryToHold(path), tryToHold(fallbackDir)];
      const answer = await shim('ADD', { fallbackDir, input: CONF, env: { CNI_NETNS: path }, timeScale: 50 });
      const msg = "Cannot lock the pod's netns: another call has held it for 15 s";
      assert.equal(errorOf(answer), [1, 11, msg]);
      for (const release of releases) release?.();
    }, RECORD),
  ));

test.run();
