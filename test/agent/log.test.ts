/** The agent's log: if its reader pauses or goes away, nobody else is delayed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import {
  type AgentNode,
  metricsOf,
  page,
  succeeded,
  until,
  withAgentNode,
  within,
} from '../helpers/agent/agent-node.ts';
import { type TestNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite("the agent's log");

const droppedBy = async (agent: Agent): Promise<number> =>
  (await metricsOf(agent)).value('tapwire_log_lines_dropped_total');

/** Keys that the agent does not know: each CHECK with them logs 2 KB or more. */
const UNKNOWN = {
  prevResult: { cniVersion: '1.0.0' },
  ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => ['k'.repeat(60) + i, 1])),
};

/** Rounds of 80 lines after which stderr and the queue are full: a few are enough. */
const MAX_ROUNDS = 50;

/** Calls until the agent drops lines. */
async function fill(node: AgentNode, agent: Agent, pod: TestNetns): Promise<void> {
  const call = () => within('CHECK', node.call('CHECK', pod, { conf: UNKNOWN, fallback: false }));
  for (let round = 0; round === 0 || (await droppedBy(agent)) === 0; round++) {
    assert.ok(round < MAX_ROUNDS, 'the agent drops lines');
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 8 }, call));
  }
}

const linesOf = (agent: Agent): readonly { message: string }[] =>
  agent
    .log()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line)); // no line is torn

test('while nobody reads it, calls and endpoints go on; dropped lines are counted, and reported when it is read again', () =>
  withAgentNode(({ agent, ...node }) =>
    withPod('eth0', async (pod) => {
      agent.stderr.pause();
      await fill(node, agent, pod);
      for (const command of ['ADD', 'DEL'])
        succeeded(await within(command, node.call(command, pod, { fallback: false })), command);
      for (const path of ['/healthz', '/readyz', '/metrics'])
        assert.is((await within(path, page(agent, path))).status, 200, path);
      const dropped = await droppedBy(agent);

      agent.stderr.resume();
      await until('it says how many', () => agent.log().includes('Dropped log lines'));
      const message = `Dropped log lines, because nobody read them: ${dropped}`;
      await until('later lines come', async () => {
        succeeded(await node.call('ADD', pod, { fallback: false }));
        succeeded(await node.call('DEL', pod, { fallback: false }));
        return agent.log().trimEnd().split('\n').at(-1)?.includes('"message":"DEL"') ?? false;
      });
      const messages = linesOf(agent).map((line) => line.message);
      assert.equal(
        messages.filter((one) => one.startsWith('Dropped')),
        [message],
      );
      assert.is(await droppedBy(agent), dropped);
    }),
  ));

test('an agent whose log nobody reads ends when it is told to', () =>
  withAgentNode(({ agent, ...node }) =>
    withPod('eth0', async (pod) => {
      agent.stderr.pause();
      await fill(node, agent, pod);
      agent.kill('SIGTERM');
      await until('it has ended', () => !agent.isRunning());
      agent.stderr.resume();
    }),
  ));

test('an agent whose log nobody can read any more serves calls', () =>
  withAgentNode(({ agent, ...node }) =>
    withPod('eth0', async (pod) => {
      agent.stderr.destroy();
      for (const command of ['ADD', 'DEL', 'ADD', 'DEL'])
        succeeded(await node.call(command, pod, { fallback: false }), command);
      await until('they are counted', async () => (await droppedBy(agent)) >= 4);
    }),
  ));

test('the last line is written before the agent ends', () =>
  withAgentNode(async ({ agent }) => {
    agent.kill('SIGTERM');
    await until('it has said so', () => !agent.isRunning() && agent.log().endsWith('\n'));
    await until('all is read', () => agent.log().includes('"Agent is done"'));
  }));

test.run();
