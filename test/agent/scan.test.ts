/**
 * The agent's scan finds filters and programs added after ADD. No container runtime except CRI-O
 * calls CHECK, so that nothing else would report them.
 */
import { execFileSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeRecord } from '../../shared/record.ts';
import type { Agent } from '../helpers/agent/agent.ts';
import {
  metricsOf,
  page,
  succeeded,
  until,
  untilIs,
  within,
  withMortalPod,
} from '../helpers/agent/agent-node.ts';
import { linesAbout, scanned, withScannedNode } from '../helpers/agent/scanned-node.ts';
import { macvtapRecord } from '../helpers/pod/macvtap-pod.ts';
import { withPod } from '../helpers/pod/netns.ts';
import { attach, detachTcx, returning } from '../helpers/pod/programs.ts';

const test = suite("the agent's scan of pods");

const conflicts = async (agent: Agent, verdict: 'deadly' | 'unknown'): Promise<number> =>
  (await metricsOf(agent)).value('tapwire_conflicting_filters', { verdict });

const FILTER = 'filter add dev eth0 ingress protocol all pref 10 u32 match u32 0 0 flowid 1:1';
const TAKES = 'a u32 filter at pref 10 that takes its frames';

test('the scan reports a filter added later once, forgets it when it is deleted, and finds it again after a restart', () =>
  withScannedNode((node, netnsDir, show) =>
    withPod('eth0', async (pod) => {
      show(pod);
      const first = await node.start({ netnsDir });
      succeeded(await node.call('ADD', pod));
      await scanned(first);
      assert.is(await conflicts(first, 'deadly'), 0);

      await pod.tc(FILTER);
      await untilIs('it is counted', () => conflicts(first, 'deadly'), 1);
      const [line] = linesAbout(first, TAKES);
      assert.equal(
        [line.level, line.netns, line.container, line.ifname],
        ['error', pod.name, 'pod1', 'net1'],
      );

      await first.stop();
      const second = await node.start({ netnsDir });
      await untilIs('the next agent counts it', () => conflicts(second, 'deadly'), 1);
      await pod.tc('filter del dev eth0 ingress pref 10');
      await untilIs('it is gone', () => conflicts(second, 'deadly'), 0);
      await until(
        'that is said',
        () => linesAbout(second, 'no longer has a u32 filter at pref 10').length === 1,
      );
      assert.equal([linesAbout(first, TAKES).length, linesAbout(second, TAKES).length], [1, 1], 'once each');

      const id = await attach(pod, 'tcx', 'eth0', returning(0));
      await untilIs('a TCX program is counted', () => conflicts(second, 'deadly'), 1);
      await detachTcx(pod, 'eth0', id);
      await untilIs('it is gone, too', () => conflicts(second, 'deadly'), 0);
      await second.stop();
    }),
  ));

test('the scan skips pods that Tapwire has not wired, files, and the host netns', () =>
  withScannedNode((node, netnsDir, show) =>
    withPod('eth0', async (pod) => {
      show(pod);
      writeFileSync(join(netnsDir, 'left-over'), '');
      execFileSync('mkfifo', [join(netnsDir, 'fifo')]);
      symlinkSync('/proc/1/ns/net', join(netnsDir, 'node'));
      symlinkSync('/nonexistent', join(netnsDir, 'gone'));
      await pod.tc('qdisc add dev eth0 clsact');
      await pod.tc(FILTER);
      const agent = await node.start({ netnsDir });
      await scanned(agent);
      assert.equal([await conflicts(agent, 'deadly'), await conflicts(agent, 'unknown')], [0, 0]);
      assert.is((await metricsOf(agent)).value('tapwire_unreadable_netns'), 0);
      assert.equal(linesAbout(agent, 'eth0'), []);
      await agent.stop();
    }),
  ));

test('the scan does not take the lower device in the record of a macvtap for a pod link', () =>
  withScannedNode((node, netnsDir, show) =>
    withPod('eth0', async (pod) => {
      show(pod);
      await pod.ip('link add link host0 name pod1 type macvtap mode bridge');
      // The lower device is on the node, where it may have any name.
      const record = macvtapRecord({ lowerDevice: 'eth0' });
      await execa('ip', ['-n', pod.name, 'link', 'set', 'pod1', 'alias', encodeRecord(record)]);
      for (const link of ['eth0', 'pod1']) {
        await pod.tc(`qdisc add dev ${link} clsact`);
        await pod.tc(FILTER.replace('eth0', link));
      }
      const agent = await node.start({ netnsDir });
      await scanned(agent);
      assert.equal([await conflicts(agent, 'deadly'), await conflicts(agent, 'unknown')], [0, 0]);
      assert.is((await metricsOf(agent)).value('tapwire_unreadable_netns'), 0);
      assert.equal(linesAbout(agent, TAKES), []);
      await agent.stop();
    }),
  ));

test('the scan reports a missing directory once, has no values, and starts when the directory appears', () =>
  withScannedNode(async (node, directory) => {
    const netnsDir = join(directory, 'later');
    const agent = await node.start({ netnsDir });
    await until(
      'it says so',
      () => linesAbout(agent, 'Cannot look for conflicting filters in pods: ENOENT').length > 0,
    );
    await new Promise((resolve) => setTimeout(resolve, 2500)); // two more scans
    assert.is(linesAbout(agent, 'Cannot look').length, 1);
    const { families } = await metricsOf(agent);
    const samples = ['tapwire_conflicting_filters', 'tapwire_unreadable_netns'].map(
      (name) => families.get(name)?.samples,
    );
    assert.equal(samples, [[], []]);
    assert.is((await page(agent, '/readyz')).status, 200);
    await execa('mkdir', [netnsDir]);
    await scanned(agent);
    await agent.stop();
  }));

test("the scan does not keep a deleted pod's netns alive", () =>
  withScannedNode((node, netnsDir, show) =>
    withMortalPod(async (pod) => {
      show(pod);
      const agent = await node.start({ netnsDir });
      succeeded(await node.call('ADD', pod));
      await pod.tc(FILTER);
      await untilIs('it is counted', () => conflicts(agent, 'deadly'), 1);
      await pod.die();
      await until('the netns is gone', () => pod.isGone());
      await untilIs('its finding is gone', () => conflicts(agent, 'deadly'), 0);
      await agent.stop();
    }),
  ));

test('a pod with thousands of links or filters counts as unreadable and does not delay the others', () =>
  withScannedNode((node, netnsDir, show) =>
    withPod('eth0', (hostile) =>
      withPod('eth0', async (pod) => {
        show(hostile);
        show(pod);
        const agent = await node.start({ netnsDir });
        for (const one of [hostile, pod]) succeeded(await node.call('ADD', one, { containerId: one.name }));
        const filters = Array.from(
          { length: 6000 },
          (_, i) =>
            `filter add dev eth0 ingress protocol ip pref ${100 + (i % 4)} u32 match ip dport ${i} 0xffff flowid 1:1`,
        );
        await execa('tc', ['-n', hostile.name, '-batch', '-'], { input: `${filters.join('\n')}\n` });
        await pod.tc(FILTER);
        await until('the one is unreadable, the other is found', async () => {
          const metrics = await metricsOf(agent);
          const deadly = metrics.value('tapwire_conflicting_filters', { verdict: 'deadly' });
          return metrics.value('tapwire_unreadable_netns') === 1 && deadly === 1;
        });
        const lines = linesAbout(agent, `Cannot look for conflicting filters in netns "${hostile.name}"`);
        assert.is(lines.length, 1);
        assert.is((await within('/healthz', page(agent, '/healthz'))).status, 200);
        succeeded(await node.call('DEL', pod, { containerId: pod.name }));
        await agent.stop();
      }),
    ),
  ));

test.run();
