/**
 * One writer per netns: the lock that the shim takes before it connects to the agent or falls back.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { native } from '../../shared/native/native.ts';
import {
  answering,
  errorOf,
  HELLO,
  reply,
  type Script,
  shim,
  withAgent,
  withDirectory,
} from '../helpers/plugin/shim.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('the lock of the shim');

const CONF = '{"cniVersion":"1.1.0","name":"n","type":"tapwire"}';
const OK = answering(reply('{}'));
const NETNS_COMMANDS = ['ADD', 'DEL', 'CHECK'];
const OTHER_COMMANDS = ['GC', 'STATUS', 'VERSION', 'SOMETHING'];

/** Holds the lock of a netns as another call would. */
async function withLocked<T>(path: string, act: (unlock: () => void) => Promise<T>): Promise<T> {
  const fd = openSync(path, 'r');
  let isOpen = true;
  const unlock = () => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  try {
    assert.ok(native.tryLock(fd));
    return await act(unlock);
  } finally {
    unlock();
  }
}

for (const command of NETNS_COMMANDS) {
  test(`${command} waits for another call in the netns, but not forever`, () =>
    withNetns(({ path }) =>
      withAgent(OK, (socket) =>
        withLocked(path, async (unlock) => {
          const call = { socket, input: CONF, env: { CNI_NETNS: path } };
          const answer = await shim(command, { ...call, timeScale: 50 });
          assert.equal(errorOf(answer), [
            1,
            11,
            "Cannot lock the pod's netns: another call has held it for 15 s",
          ]);
          assert.is(JSON.parse(answer.stdout).cniVersion, '1.1.0');
          assert.ok(answer.ms > 300);

          const waiting = shim(command, call);
          await sleep(100);
          unlock();
          assert.is((await waiting).stdout, '{}');
        }),
      ),
    ));
}

for (const command of OTHER_COMMANDS) {
  test(`${command} has no netns and waits for no lock`, () =>
    withNetns(({ path }) =>
      withAgent(OK, (socket) =>
        withLocked(path, async () => {
          const { stdout } = await shim(command, { socket, input: CONF, env: { CNI_NETNS: path } });
          assert.is(stdout, '{}');
        }),
      ),
    ));
}

test('the shim holds the lock from before the hello until the reply', () =>
  withNetns(async ({ path }) => {
    const fd = openSync(path, 'r');
    const seen: boolean[] = [];
    const script: Script = async (caller) => {
      await sleep(50);
      seen.push(native.tryLock(fd));
      caller.write(HELLO);
      caller.end(reply('{}'));
    };
    await withAgent(script, async (socket) => {
      assert.is((await shim('ADD', { socket, input: CONF, env: { CNI_NETNS: path } })).stdout, '{}');
    });
    assert.equal(seen, [false]);
    assert.ok(native.tryLock(fd), 'and not longer');
    closeSync(fd);
  }));

test("a file that is not a netns, and the client's own netns, are not locked, because the plugin rejects them", () =>
  withDirectory((directory) =>
    withAgent(OK, async (socket) => {
      const [file, fifo, link] = [join(directory, 'file'), join(directory, 'fifo'), join(directory, 'link')];
      writeFileSync(file, '');
      execFileSync('mkfifo', [fifo]);
      symlinkSync('/proc/self/ns/net', link);
      const held = openSync('/proc/self/ns/net', 'r');
      assert.ok(native.tryLock(held));
      for (const path of [
        file,
        fifo,
        directory,
        link,
        '/proc/self/ns/net',
        '/proc/self/ns/mnt',
        '/dev/null',
        '',
      ]) {
        const { stdout } = await shim('ADD', { socket, input: CONF, env: { CNI_NETNS: path } });
        assert.is(stdout, '{}', path);
      }
      closeSync(held);
    }),
  ));

test('many calls for one netns run one after the other', () =>
  withNetns(({ path }) => {
    let inside = 0;
    let most = 0;
    const script: Script = async (caller, request) => {
      caller.write(HELLO);
      await request;
      most = Math.max(most, ++inside);
      await sleep(5);
      inside--;
      caller.end(reply('{}'));
    };
    return withAgent(script, async (socket) => {
      const call = { socket, input: CONF, env: { CNI_NETNS: path } };
      const answers = await Promise.all(Array.from({ length: 20 }, () => shim('ADD', call)));
      assert.equal(
        answers.map(({ stdout }) => stdout),
        Array(20).fill('{}'),
      );
      assert.is(most, 1);
    });
  }));

test.run();
