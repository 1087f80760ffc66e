/**
 * Replacing an agent by the next one: calls in flight finish, and there is always an agent to
 * connect to.
 */
import { lstatSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
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
} from '../helpers/agent/agent-node.ts';
import { withTrap } from '../helpers/agent/trap.ts';
import { UNHURRIED } from '../helpers/plugin/shim.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('replacing the agent');

const finished = (log: string): number =>
  log.split('"message":"ADD"').length + log.split('"message":"DEL"').length - 2;

test('the next agent takes over the socket of a running one without waiting for it to exit', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      const before = await dumpNetns(pod);
      const old = await node.start();
      succeeded(await node.call('ADD', pod, { fallback: false }));
      const next = await node.start();
      succeeded(await node.call('DEL', pod, { fallback: false }));
      await until('each has done one call', () => finished(old.log()) === 1 && finished(next.log()) === 1);
      await old.stop();
      await assertWhole(node, pod, before, 'by the next agent');
      await next.stop();
    }),
  ));

test('the socket file exists at every moment while agents start and exit, and stays afterwards', () =>
  withEmptyNode(async (node) => {
    await (await node.start()).stop();
    assert.ok(lstatSync(node.socket).isSocket(), 'it stays');
    /** Identifies a socket. The kernel reuses inode numbers, but not their times. */
    const sockets = new Set<string>();
    const look = () => {
      const { ino, mtimeNs } = lstatSync(node.socket, { bigint: true }); // Throws if the file does not exist.
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

/**
 * Runs 50 calls at once: ADD and DEL of ten pods, five times each. Calls of one pod wait for each
 * other.
 */
async function burst(
  node: AgentNode,
  pods: readonly TestNetns[],
  fallback: boolean,
  replace: () => Promise<void>,
) {
  const before = await Promise.all(pods.map(dumpNetns));
  const calls = pods.flatMap((pod, p) =>
    Array.from({ length: 5 }, (_, i) =>
      node.call((p + i) % 2 === 0 ? 'ADD' : 'DEL', pod, {
        fallback,
        helloSecond: fallback ? 1000 : UNHURRIED, // As on a real node, the call soon does without an agent.
      }),
    ),
  );
  const answers = Promise.all(calls);
  await replace();
  for (const answer of await within('all calls', answers)) succeeded(answer, 'a call of the burst');
  for (const [i, pod] of pods.entries()) {
    succeeded(await node.call('DEL', pod, { fallback }));
    sameNetns(await dumpNetns(pod), before[i] ?? {});
  }
}

test('a burst of calls while the next agent starts before the old one exits: no call fails, and all are served by an agent', () =>
  withEmptyNode((node) =>
    withPods(10, async (pods) => {
      const old = await node.start();
      let next: Agent | undefined;
      const following = node.start();
      for (let round = 0; round < 2; round++) {
        await burst(node, pods, false, async () => {
          next ??= await following;
          if (old.isRunning()) await old.stop();
        });
      }
      await next?.stop();
    }),
  ));

test('a burst of calls while the old agent exits before the next one starts: no call fails', () =>
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

/** Starts an agent under a shell that reports its exit status. The agent dies with the shell. */
const TELLING = ['sh', '-c', 'setpriv --pdeathsig KILL -- "$@"; echo "exit status $?" >&2', 'sh'];
const childOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`an agent that gets ${signal} finishes the calls in flight and exits with 0; new clients connect to the next one`, () =>
    withTrap((trap) =>
      withEmptyNode((node) =>
        withPods(2, async ([pod, other]) => {
          if (pod === undefined || other === undefined) throw new Error('no pods');
          const before = await dumpNetns(pod);
          const old = await node.start({ env: trap.env, under: TELLING });
          const pid = childOf(old.pid);
          trap.set('change', 'hold');
          const calling = node.call('ADD', pod, { fallback: false });
          await trap.reached();
          process.kill(pid, signal);
          await until('it got it', () => old.log().includes(`Got ${signal}`));
          assert.ok(lstatSync(node.socket).isSocket());
          const waiting = node.call('ADD', other, { fallback: false });
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
