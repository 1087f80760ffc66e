/** An agent that has served a thousand pods is in the state it started in. */
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import {
  descriptorCount,
  metricsOf,
  settled,
  succeeded,
  withAgentNode,
  withPods,
} from '../helpers/agent/agent-node.ts';
import { dumpNetns, sameNetns } from '../helpers/pod/netns.ts';

const test = suite('an agent that serves for a long time');

const PODS = 10;
const ROUNDS = 100;

const residentMib = ({ pid }: Agent): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
const threadCount = ({ pid }: Agent): number => readdirSync(`/proc/${pid}/task`).length;

test(`${2 * PODS * ROUNDS} calls, some of which fail, leave descriptors, threads, memory and every netns as they were`, () =>
  withAgentNode((node) =>
    withPods(PODS, async (pods) => {
      const { agent } = node;
      const before = await Promise.all(pods.map(dumpNetns));
      const rounds = (count: number) =>
        Promise.all(
          pods.map(async (pod) => {
            for (let round = 0; round < count; round++) {
              const options = { containerId: `pod${round}`, fallback: false } as const;
              if (round % 5 === 4) {
                const { exitCode } = await node.call('ADD', pod, { ...options, conf: { podLink: 'none' } });
                assert.is(exitCode, 1);
              } else succeeded(await node.call('ADD', pod, options));
              succeeded(await node.call('DEL', pod, options));
            }
          }),
        );
      const descriptors = descriptorCount(agent);
      await rounds(ROUNDS / 4);
      const first = { threads: threadCount(agent), rss: residentMib(agent) };
      await rounds((ROUNDS / 4) * 3);
      await settled(agent, descriptors);
      const last = { threads: threadCount(agent), rss: residentMib(agent) };
      console.log(`\n@ ${JSON.stringify({ first, last, descriptors: descriptorCount(agent) })}`);
      assert.ok(last.threads <= first.threads + 8, `threads: ${first.threads}, then ${last.threads}`);
      assert.ok(last.rss < first.rss + 40, `MiB: ${first.rss}, then ${last.rss}`);
      const metrics = await metricsOf(agent);
      assert.is(
        metrics.value('tapwire_cni_requests_total', { command: 'ADD', code: '0' }),
        PODS * ROUNDS * 0.8,
      );
      assert.is(metrics.value('tapwire_cni_requests_total', { command: 'DEL', code: '0' }), PODS * ROUNDS);
      for (const [i, pod] of pods.entries()) sameNetns(await dumpNetns(pod), before[i] ?? {});
    }),
  ));

test.run();
