/** What a pod puts into its netns does not fill the agent's memory. */
import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import { succeeded, withAgentNode, withPods } from '../helpers/agent/agent-node.ts';
import { addManyFilters, FILTER_BYTES } from '../helpers/pod/many-filters.ts';

const test = suite("the agent's memory");

const FILTERS = 15_000;

/** Maximum of the resident memory in MiB since `forgetPeak`. */
const peakMib = ({ pid }: Agent): number =>
  Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
const forgetPeak = ({ pid }: Agent): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

test('two pods with tens of MB of filters are unwired at once in a fraction of that memory', () =>
  withAgentNode((node) =>
    withPods(3, async ([one, two, other]) => {
      assert.ok(one && two && other);
      const { agent } = node;
      const options = { fallback: false } as const;
      const call = async (command: string, pod: typeof one) =>
        succeeded(await node.call(command, pod, options));
      for (const pod of [one, two]) {
        await call('ADD', pod);
        await addManyFilters(pod, 'eth0', FILTERS);
      }
      await call('ADD', other);
      await call('DEL', other);
      forgetPeak(agent);
      const before = peakMib(agent);
      await Promise.all([call('DEL', one), call('DEL', two), call('ADD', other)]);
      const after = peakMib(agent);
      const size = (FILTERS * FILTER_BYTES) / 2 ** 20;
      assert.ok(after < before + size, `MiB: ${before}, then ${after}; the filters of each pod: ${size}`);
      for (const pod of [one, two]) assert.not.match(await pod.ip('link show'), 'tap0');
    }),
  ));

test.run();
