/**
 * An agent that is absent, killed or stopped: clients get a correct reply in time, no netns has two
 * writers, and no netns is kept alive.
 */
import { lstatSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import {
  type AgentNode,
  assertWhole,
  descriptorCount,
  isCorrect,
  isStopped,
  type MortalPod,
  settled,
  succeeded,
  until,
  withEmptyNode,
  within,
  withMortalPod,
  withPods,
} from '../helpers/agent/agent-node.ts';
import { sharedNode, type Trap, withTrap } from '../helpers/agent/trap.ts';
import { dumpNetns, sameNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('an agent that is lost');
const ourNode = sharedNode();

/**
 * Timeouts of every command: one second for the lock, two for the reply, then 330 ms for the lock.
 */
const TIME_SCALE = 15;
/** Adds the timeout of the hello: two thirds of a second for ADD, 130 ms for DEL. */
const HURRIED = { timeScale: TIME_SCALE, helloSecond: 67 };

test('ADD, CHECK and DEL succeed without an agent', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      await assertWhole(node, pod, await dumpNetns(pod), 'no agent');
    }),
  ));

test('the socket file of an agent killed between two requests hinders neither clients nor the next agent', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      const before = await dumpNetns(pod);
      const agent = await node.start();
      succeeded(await node.call('ADD', pod));
      agent.kill('SIGKILL');
      await agent.killed();
      assert.ok(lstatSync(node.socket).isSocket());

      const del = await within('DEL', node.call('DEL', pod, HURRIED));
      succeeded(del);
      assert.match(del.stderr, /No agent at .* answered within 2 s; running DEL without it/);
      sameNetns(await dumpNetns(pod), before);
      const add = await within('ADD', node.call('ADD', pod, HURRIED));
      succeeded(add);
      assert.match(add.stderr, /No agent at .* answered within 10 s; running ADD without it/);

      const next = await node.start();
      const { stderr } = await node.call('DEL', pod);
      assert.is(stderr, '', 'the next agent does it');
      await assertWhole(node, pod, before, 'by the next agent');
      await next.stop();
    }),
  ));

for (const [command, point] of [
  ['ADD', 'dump'],
  ['ADD', 'persist'],
  ['ADD', 'change'],
  ['ADD', 'changed'],
  ['DEL', 'change'],
  ['DEL', 'deleted'],
] as const) {
  test(`an agent stopped in the middle of ${command} (${point}) does not become a second writer when it continues after another DEL and ADD`, () =>
    withPods(2, async ([pod, other]) => {
      if (pod === undefined || other === undefined) throw new Error('no pods');
      const node = await ourNode();
      const { agent, trap } = node;
      const before = await dumpNetns(pod);
      if (command === 'DEL') succeeded(await node.call('ADD', pod));
      const descriptors = descriptorCount(agent);
      trap.set(point, 'stop');
      const calling = node.call(command, pod, { timeScale: TIME_SCALE });
      await trap.reached();
      await until('it is stopped', () => isStopped(agent));
      const stopped = await dumpNetns(pod);

      const meanwhile = ['DEL', 'ADD'].map((next) => node.call(next, pod, HURRIED));
      const elsewhere = node.call('ADD', other, HURRIED);
      const first = await within(command, calling);
      // The agent may have replied to DEL just before.
      isCorrect(first, `the first ${command}`);
      if (point !== 'deleted') assert.match(first.stdout, /"code":11,"msg":"Cannot tell how/);
      for (const answer of await within('the calls meanwhile', Promise.all(meanwhile))) {
        isCorrect(answer, 'a call meanwhile');
        if (point !== 'deleted') assert.match(answer.stdout, /"code":11/);
      }
      succeeded(await within('a call for another pod', elsewhere));
      if (point !== 'deleted') sameNetns(await dumpNetns(pod), stopped, 'nobody has changed it meanwhile');

      agent.kill('SIGCONT');
      await settled(agent, descriptors);
      await assertWhole(node, pod, before, 'when the agent goes on');
      succeeded(await node.call('DEL', other));
    }));
}

test('clients of an agent stopped before the hello do without it, and it does not become a second writer when it continues', () =>
  withPod('eth0', async (pod) => {
    const node = await ourNode();
    const { agent } = node;
    const before = await dumpNetns(pod);
    const descriptors = descriptorCount(agent);
    for (const command of ['ADD', 'DEL']) {
      agent.kill('SIGSTOP');
      await until('it is stopped', () => isStopped(agent));
      succeeded(await within(command, node.call(command, pod, HURRIED)));
      const after = await dumpNetns(pod);
      agent.kill('SIGCONT');
      await settled(agent, descriptors);
      sameNetns(await dumpNetns(pod), after, 'the agent does not do it once more');
    }
    await assertWhole(node, pod, before, 'when the agent goes on');
  }));

// ---- what keeps a netns alive

test('an agent stopped before the hello keeps no netns alive', () =>
  withMortalPod(async (pod) => {
    const node = await ourNode();
    node.agent.kill('SIGSTOP');
    succeeded(await node.call('ADD', pod, HURRIED));
    await pod.die();
    await until('the netns is gone', pod.isGone);
    node.agent.kill('SIGCONT');
  }));

/** Stops an agent in the middle of ADD, then deletes the netns. */
async function stopAndDie(node: AgentNode, agent: Agent, trap: Trap, pod: MortalPod): Promise<void> {
  trap.set('change', 'stop');
  const { exitCode, stdout } = await node.call('ADD', pod, { timeScale: TIME_SCALE });
  assert.equal([exitCode, JSON.parse(stdout).code], [1, 11]);
  assert.ok(isStopped(agent));
  await pod.die();
  assert.not.ok(await pod.isGone(), 'the stopped agent keeps it');
}

test('an agent stopped in the middle of ADD keeps the netns alive only until it continues', () =>
  withMortalPod(async (pod) => {
    const { agent, trap, ...node } = await ourNode();
    await stopAndDie(node, agent, trap, pod);
    agent.kill('SIGCONT');
    await until('the netns is gone', pod.isGone);
  }));

test('an agent stopped in the middle of ADD keeps the netns alive only until it is killed', () =>
  withTrap((trap) =>
    withEmptyNode((node) =>
      withMortalPod(async (pod) => {
        const agent = await node.start({ env: trap.env });
        await stopAndDie(node, agent, trap, pod);
        agent.kill('SIGKILL');
        await until('the netns is gone', pod.isGone);
        await agent.killed();
      }),
    ),
  ));

test('an agent keeps no pod alive that it has wired', async () => {
  const node = await ourNode();
  for (let i = 0; i < 5; i++) {
    await withMortalPod(async (pod) => {
      succeeded(await node.call('ADD', pod));
      if (i % 2 === 0) succeeded(await node.call('DEL', pod));
      await pod.die();
      await until('the netns is gone', pod.isGone);
    });
  }
});

test.run();
