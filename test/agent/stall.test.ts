/** A pod that is slow or hangs delays neither the other pods nor the health endpoints. */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { native } from '../../shared/native/native.ts';
import {
  type AgentNode,
  assertWhole,
  descriptorCount,
  page,
  settled,
  succeeded,
  within,
  withPods,
} from '../helpers/agent/agent-node.ts';
import { type Point, sharedNode } from '../helpers/agent/trap.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('a pod that hangs');
const ourNode = sharedNode();
const onOurNode = async (act: (node: Awaited<ReturnType<typeof ourNode>>) => Promise<void>): Promise<void> =>
  act(await ourNode());

async function othersAreServed(node: AgentNode, pods: readonly TestNetns[]): Promise<void> {
  const call = (command: string) =>
    Promise.all(pods.map((pod) => node.call(command, pod, { fallback: false })));
  for (const command of ['ADD', 'DEL', 'ADD', 'DEL']) {
    for (const answer of await within(`${command} of the others`, call(command))) succeeded(answer, command);
  }
}

const CAUGHT: readonly (readonly [command: 'ADD' | 'DEL', point: Point])[] = [
  ['ADD', 'dump'],
  ['ADD', 'create'],
  ['ADD', 'change'],
  ['DEL', 'dump'],
  ['DEL', 'change'],
];

test('a kernel request that does not return delays neither 20 calls of other pods nor the health endpoints, and its call succeeds when it returns', () =>
  onOurNode(({ trap, ...node }) =>
    withPod('eth0', (pod) =>
      withPods(5, async (others) => {
        const before = await dumpNetns(pod);
        const { agent } = node;
        const descriptors = descriptorCount(agent);
        for (const [command, point] of CAUGHT) {
          if (command === 'DEL') succeeded(await node.call('ADD', pod));
          trap.set(point, 'hold');
          let isAnswered = false;
          const calling = node.call(command, pod, { fallback: false }).finally(() => {
            isAnswered = true;
          });
          await trap.reached();
          await othersAreServed(node, others);
          for (const path of ['/healthz', '/readyz', '/metrics']) {
            assert.is((await within(path, page(agent, path))).status, 200, path);
          }
          assert.not.ok(isAnswered, `${command} is still caught before "${point}"`);
          trap.release();
          succeeded(await within(command, calling), command);
          if (command === 'ADD') succeeded(await node.call('DEL', pod));
          sameNetns(await dumpNetns(pod), before, `${command}, caught before "${point}"`);
        }
        await settled(agent, descriptors);
      }),
    ),
  ));

test('the agent replies to DEL before the kernel acknowledges the deletion of the tap, and no other call waits for that', () =>
  onOurNode(({ trap, ...node }) =>
    withPod('eth0', (pod) =>
      withPods(5, async (others) => {
        const before = await dumpNetns(pod);
        const descriptors = descriptorCount(node.agent);
        succeeded(await node.call('ADD', pod));
        trap.set('deleted', 'hold');
        succeeded(await within('DEL', node.call('DEL', pod, { fallback: false })));
        await trap.reached();
        sameNetns(await dumpNetns(pod), before);
        await othersAreServed(node, others);
        await assertWhole(node, pod, before, 'the same pod meanwhile');
        trap.release();
        await settled(node.agent, descriptors);
      }),
    ),
  ));

test('a process that holds the lock of a netns delays only calls for that pod, and only until a timeout', () =>
  onOurNode((node) =>
    withPod('eth0', (pod) =>
      withPods(5, async (others) => {
        const fd = openSync(pod.path, 'r');
        assert.ok(native.tryLock(fd));
        const calling = node.call('ADD', pod, { fallback: false });
        await othersAreServed(node, others);
        // Longer than 5 s, the agent's timeout for a request after its hello.
        await sleep(6000);
        closeSync(fd);
        const answer = await within('ADD', calling);
        succeeded(answer);
        assert.is(answer.stderr, '', 'the agent served the call');

        const again = openSync(pod.path, 'r');
        assert.ok(native.tryLock(again));
        const refused = await within('DEL', node.call('DEL', pod, { timeScale: 30 }));
        assert.match(refused.stdout, /"code":11,"msg":"Cannot lock the pod's netns/);
        closeSync(again);
        succeeded(await node.call('DEL', pod));
      }),
    ),
  ));

test('30 clients that wait for a hanging pod delay no other client', () =>
  onOurNode(({ trap, ...node }) =>
    withPods(3, async (pods) => {
      const [hanging, ...others] = pods;
      if (hanging === undefined) throw new Error('no pods');
      trap.set('create', 'hold');
      const first = node.call('ADD', hanging, { containerId: 'pod0', fallback: false });
      await trap.reached();
      const callers = Array.from({ length: 29 }, (_, i) =>
        node.call('ADD', hanging, { containerId: `pod${i + 1}`, timeScale: 5, fallback: false }),
      );
      await othersAreServed(node, others);
      trap.release();
      const answers = await within('all', Promise.all([first, ...callers]));
      assert.is(answers.filter(({ exitCode }) => exitCode === 0).length, 1, 'only one ADD creates the tap');
    }),
  ));

test.run();
