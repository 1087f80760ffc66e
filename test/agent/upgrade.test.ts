/** One agent after the other: what is in flight is finished, and no caller finds nobody. */
import { lstatSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent.ts';
import {
  type AgentNode,
  assertWhole,
  isRunning,
  page,
  succeeded,
  until,
  withEmptyNode,
  within,
  withPods,
} from '../helpers/agent-node.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/netns.ts';
import { UNHURRIED } from '../helpers/shim.ts';
import { withTrap } from '../helpers/trap.ts';

const test = suite('an agent after the other');

const finished = (log: string): number =>
  log.split('"message":"ADD"').length + log.split('"message":"DEL"').length - 2;

test('the next one takes the place of the one that is there, and needs not wait for it', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      const before = await dumpNetns(pod);
      const old = await node.start();
      succeeded(await node.call('ADD', pod, { runtime: false }));
      const next = await node.start();
      succeeded(await node.call('DEL', pod, { runtime: false }));
      await until('each has done one call', () => finished(old.log()) === 1 && finished(next.log()) === 1);
      await old.stop();
      await assertWhole(node, pod, before, 'by the next agent');
      await next.stop();
    }),
  ));

test('the socket file is there at every moment, while agents come and go, and stays', () =>
  withEmptyNode(async (node) => {
    await (await node.start()).stop();
    assert.ok(lstatSync(node.socket).isSocket(), 'it stays');
    /** The kernel gives an inode's number to the next one, but not its time. */
    const sockets = new Set<string>();
    const look = () => {
      const { ino, mtimeNs } = lstatSync(node.socket, { bigint: true }); // throws where there is none
      sockets.add(`${ino} ${mtimeNs}`);
    };
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        for (let i = 0; i < 200; i++) look();
        await sleep(0);
      }
    })();
    let current: Agent | null = null;
    for (let i = 0; i < 2; i++) {
      const next = await node.start();
      await current?.stop();
      current = next;
    }
    await current?.stop();
    isOver = true;
    await watching;
    assert.is(sockets.size, 3);
  }));

/** 50 calls at once, ADD and DEL of ten pods five times each; whoever has to wait for its pod does. */
async function burst(
  node: AgentNode,
  pods: readonly TestNetns[],
  runtime: boolean,
  replace: () => Promise<void>,
) {
  const before = await Promise.all(pods.map(dumpNetns));
  const calls = pods.flatMap((pod, p) =>
    Array.from({ length: 5 }, (_, i) =>
      node.call((p + i) % 2 === 0 ? 'ADD' : 'DEL', pod, {
        runtime,
        helloSecond: runtime ? 1000 : UNHURRIED, // in life it soon goes without an agent
      }),
    ),
  );
  const answers = Promise.all(calls);
  await replace();
  for (const answer of await within('all calls', answers)) succeeded(answer, 'a call of the burst');
  for (const [i, pod] of pods.entries()) {
    succeeded(await node.call('DEL', pod, { runtime }));
    sameNetns(await dumpNetns(pod), before[i] ?? {});
  }
}

test('the next one is there before the old one ends, in a burst: no call fails, and none goes without an agent', () =>
  withEmptyNode((node) =>
    withPods(10, async (pods) => {
      const old = await node.start();
      let next: Agent | undefined;
      const following = node.start();
      for (let round = 0; round < 2; round++) {
        await burst(node, pods, false, async () => {
          next ??= await following;
          if (isRunning(old.pid)) await old.stop();
        });
      }
      await next?.stop();
    }),
  ));

test('the old one ends before the next one is there, in a burst: no call fails', () =>
  withEmptyNode((node) =>
    withPods(10, async (pods) => {
      const old = await node.start();
      let next: Agent | undefined;
      await burst(node, pods, true, async () => {
        await sleep(20);
        await old.stop();
        next = await node.start();
      });
      await next?.stop();
    }),
  ));

/** An agent below a shell that tells its exit status; it dies with the shell. */
const TELLING = ['sh', '-c', 'setpriv --pdeathsig KILL -- "$@"; echo "exit status $?" >&2', 'sh'];
const childOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal}: finishes what is in flight and ends well; new callers go to the next one`, () =>
    withTrap((trap) =>
      withEmptyNode((node) =>
        withPods(2, async ([pod, other]) => {
          if (pod === undefined || other === undefined) throw new Error('no pods');
          const before = await dumpNetns(pod);
          const old = await node.start({ env: trap.env, under: TELLING });
          const pid = childOf(old.pid);
          trap.set('change', 'hold');
          const calling = node.call('ADD', pod, { runtime: false });
          await trap.reached();
          process.kill(pid, signal);
          await until('it got it', () => old.log().includes(`Got ${signal}`));
          assert.ok(lstatSync(node.socket).isSocket());
          const waiting = node.call('ADD', other, { runtime: false });
          assert.is((await page(old, '/healthz')).status, 200, 'it is alive');
          await sleep(100);
          assert.ok(isRunning(pid), 'it waits for what is in flight');

          const next = await node.start();
          succeeded(await within('ADD of another pod', waiting));
          await until('the next one has done it', () => finished(next.log()) === 1);
          assert.is(finished(old.log()), 0);
          trap.release();
          succeeded(await within('the first ADD', calling));
          await until('it ends', () => old.log().includes('exit status'));
          assert.match(old.log(), /"Agent is done"[\s\S]*\nexit status 0\n$/);
          assert.is(finished(old.log()), 1);
          succeeded(await node.call('DEL', other));
          await assertWhole(node, pod, before, 'by the next agent');
          await next.stop();
        }),
      ),
    ));
}

test.run();
