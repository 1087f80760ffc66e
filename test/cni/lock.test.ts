/** One writer per netns: two processes of the plugin take the lock on its descriptor. */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lockNetns } from '../../cni/kernel/open-netns.ts';
import { native } from '../../shared/native/native.ts';
import { caught } from '../helpers/caught.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { dumpNetns, sameNetns, withNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('the lock of a netns');

/** Takes the lock of a netns. Undefined if another process holds it. */
function tryToHold(path: string): (() => void) | undefined {
  const fd = openSync(path, 'r');
  if (native.tryLock(fd)) return () => closeSync(fd);
  closeSync(fd);
  return undefined;
}

test('the lock keeps other calls out until it is closed, and reports a timeout after a bounded wait', () =>
  withNetns(async ({ path }) => {
    const [first, second] = [openSync(path, 'r'), openSync(path, 'r')];
    await lockNetns(first, 0);
    const error = await caught(() => lockNetns(second, 50));
    assert.equal(
      [error.code, error.message],
      ['TRY_AGAIN', "Cannot lock the pod's netns: another call has held it for 0.05 s"],
    );
    closeSync(first);
    await lockNetns(second, 0);
    closeSync(second);
  }));

test('a call waits for the one before it', () =>
  withPod('eth0', async ({ path }) => {
    const fd = openSync(path, 'r');
    assert.ok(native.tryLock(fd));
    const adding = cni('ADD', { netns: path, network: 'default' });
    const winner = await Promise.race([adding.then(() => 'ADD'), sleep(500, 'timeout')]);
    assert.is(winner, 'timeout', 'ADD waits');
    closeSync(fd);
    assert.is((await adding).exitCode, 0);
  }));

test('a call keeps the lock until its work is done, if a process in the pod wants it all the time', () =>
  withPod('eth0', async (netns) => {
    for (const [command, hasTap] of [
      ['ADD', true],
      ['DEL', false],
    ] as const) {
      let isOver = false;
      const calling = cni(command, { netns: netns.path, network: 'default' }).finally(() => {
        isOver = true;
      });
      // Lets the call have the lock first, then asks for it all the time.
      for (let isTaken = false; !isTaken && !isOver; await sleep(10)) {
        const release = tryToHold(netns.path);
        isTaken = release === undefined;
        release?.();
      }
      let release = tryToHold(netns.path);
      for (; release === undefined; release = tryToHold(netns.path)) await sleep(1);
      assert.is((await netns.ip('link show')).includes('tap0:'), hasTap, `${command} is done`);
      const { exitCode, stdout } = await calling;
      release();
      assert.is(exitCode, 0, stdout);
    }
  }));

test('calls at once for one and several attachments never leave a netns half wired', () =>
  withPod('eth0', async (netns) => {
    await netns.ip('link add pod16477688c0e type veth peer name host1');
    await netns.ip('link set pod16477688c0e addrgenmode none');
    const before = await dumpNetns(netns);
    const primary = { netns: netns.path, network: 'default' };
    const blue = { netns: netns.path, network: 'blue', ifname: 'net3' };
    const commands = ['ADD', 'ADD', 'DEL', 'ADD'].flatMap((command) => [
      cni(command, primary),
      cni(command, blue),
    ]);
    for (const { exitCode, stdout } of await Promise.all(commands)) assert.is(exitCode, 0, stdout);
    for (const call of [primary, blue]) {
      assert.is((await cni('ADD', call)).exitCode, 0);
      assert.is((await cni('DEL', call)).exitCode, 0);
    }
    sameNetns(await dumpNetns(netns), before);
  }));

test.run();
