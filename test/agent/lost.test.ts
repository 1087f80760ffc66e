/** An agent that is absent, killed or stopped: callers get a correct answer in time, no netns has two writers, and none is kept. */
import { lstatSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent.ts';
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
} from '../helpers/agent-node.ts';
import { dumpNetns, sameNetns, withPod } from '../helpers/netns.ts';
import { sharedNode, type Trap, withTrap } from '../helpers/trap.ts';

const test = suite('an agent that is lost');
const ourNode = sharedNode();

/** Everything waits a second for the lock, two for an answer and then 330 ms for the lock. */
const HASTE = 15;
/** And for an agent that does not say hello: ADD two thirds of a second, DEL 130 ms. */
const HURRIED = { haste: HASTE, helloSecond: 67 };

test('no agent: all goes without it', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      await assertWhole(node, pod, await dumpNetns(pod), 'no agent');
    }),
  ));

test('killed between two requests: its socket file is no obstacle, neither for callers nor for the next agent', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      const before = await dumpNetns(pod);
      const agent = await node.start();
      succeeded(await node.call('ADD', pod));
      process.kill(agent.pid, 'SIGKILL');
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
  test(`stopped in the middle of ${command} (${point}), with a DEL and an ADD meanwhile: no second writer, and all is well when it goes on`, () =>
    withPods(2, async ([pod, other]) => {
      if (pod === undefined || other === undefined) throw new Error('no pods');
      const node = await ourNode();
      const { agent, trap } = node;
      const before = await dumpNetns(pod);
      if (command === 'DEL') succeeded(await node.call('ADD', pod));
      const descriptors = descriptorCount(agent);
      trap.set(point, 'stop');
      const calling = node.call(command, pod, { haste: HASTE });
      await trap.reached();
      await until('it is stopped', () => isStopped(agent));
      const stopped = await dumpNetns(pod);

      const meanwhile = ['DEL', 'ADD'].map((next) => node.call(next, pod, { haste: HASTE }));
      const elsewhere = node.call('ADD', other, HURRIED);
      const first = await within(command, calling);
      // DEL may have been answered just before.
      isCorrect(first, `the first ${command}`);
      if (point !== 'deleted') assert.match(first.stdout, /"code":11,"msg":"Cannot tell how/);
      for (const answer of await within('the calls meanwhile', Promise.all(meanwhile))) {
        isCorrect(answer, 'a call meanwhile');
        if (point !== 'deleted') assert.match(answer.stdout, /"code":11/);
      }
      succeeded(await within('a call for another pod', elsewhere));
      if (point !== 'deleted') sameNetns(await dumpNetns(pod), stopped, 'nobody has changed it meanwhile');

      process.kill(agent.pid, 'SIGCONT');
      await settled(agent, descriptors);
      await assertWhole(node, pod, before, 'when the agent goes on');
      succeeded(await node.call('DEL', other));
    }));
}

test('stopped before the hello: callers go without it, and have no second writer when it goes on', () =>
  withPod('eth0', async (pod) => {
    const node = await ourNode();
    const { agent } = node;
    const before = await dumpNetns(pod);
    const descriptors = descriptorCount(agent);
    for (const command of ['ADD', 'DEL']) {
      process.kill(agent.pid, 'SIGSTOP');
      await until('it is stopped', () => isStopped(agent));
      succeeded(await within(command, node.call(command, pod, HURRIED)));
      const after = await dumpNetns(pod);
      process.kill(agent.pid, 'SIGCONT');
      await settled(agent, descriptors);
      sameNetns(await dumpNetns(pod), after, 'the agent does not do it once more');
    }
    await assertWhole(node, pod, before, 'when the agent goes on');
  }));

// ---- what keeps a netns

test('an agent that is stopped before the hello keeps no netns', () =>
  withMortalPod(async (pod) => {
    const node = await ourNode();
    process.kill(node.agent.pid, 'SIGSTOP');
    succeeded(await node.call('ADD', pod, HURRIED));
    await pod.die();
    await until('the netns is gone', pod.isGone);
    process.kill(node.agent.pid, 'SIGCONT');
  }));

/** Stops an agent in the middle of ADD, and deletes the netns. */
async function stopAndDie(node: AgentNode, agent: Agent, trap: Trap, pod: MortalPod): Promise<void> {
  trap.set('change', 'stop');
  const { exitCode, stdout } = await node.call('ADD', pod, { haste: HASTE });
  assert.equal([exitCode, JSON.parse(stdout).code], [1, 11]);
  assert.ok(isStopped(agent));
  await pod.die();
  assert.not.ok(await pod.isGone(), 'the stopped agent keeps it');
}

test('an agent that is stopped in the middle of ADD keeps the netns no longer than until it goes on', () =>
  withMortalPod(async (pod) => {
    const { agent, trap, ...node } = await ourNode();
    await stopAndDie(node, agent, trap, pod);
    process.kill(agent.pid, 'SIGCONT');
    await until('the netns is gone', pod.isGone);
  }));

test('an agent that is stopped in the middle of ADD keeps the netns no longer than until it is killed', () =>
  withTrap((trap) =>
    withEmptyNode((node) =>
      withMortalPod(async (pod) => {
        const agent = await node.start({ env: trap.env });
        await stopAndDie(node, agent, trap, pod);
        process.kill(agent.pid, 'SIGKILL');
        await until('the netns is gone', pod.isGone);
        await agent.killed();
      }),
    ),
  ));

test('no pod that was wired by an agent is kept by it', async () => {
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
