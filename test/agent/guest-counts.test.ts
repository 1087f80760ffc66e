/** The agent counts what the guest services of pods say, and finds guests that nobody serves. */
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MESSAGES } from '../../daemonset/scan/guest-counts.ts';
import { encodeRecord, type TapRecord } from '../../shared/record.ts';
import type { Agent } from '../helpers/agent/agent.ts';
import { metricsOf, page, succeeded, until, untilIs, within } from '../helpers/agent/agent-node.ts';
import { linesAbout, scanned, withScannedNode } from '../helpers/agent/scanned-node.ts';
import { withFrames } from '../helpers/pod/frames.ts';
import { withAddressedPod } from '../helpers/pod/guarded-pod.ts';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';
import {
  BEHAVIOURS,
  saying,
  withDeafServer,
  withLingeringServer,
  withPodServer,
} from '../helpers/pod/pod-server.ts';
import { requestsOf } from '../helpers/pod/service-frames.ts';
import { MAC } from '../helpers/pod/spoof-kinds.ts';
import { makeHookDirectory, withHookPlace, withSidecar } from '../helpers/sidecar/sidecar.ts';

const test = suite('counts of guest services');

const TOTAL = 'tapwire_guest_messages_total';

const valuesOf = async (agent: Agent): Promise<Record<'served' | 'unserved', number>> => {
  const metrics = await metricsOf(agent);
  return {
    served: metrics.value('tapwire_served_guests'),
    unserved: metrics.value('tapwire_unserved_guests'),
  };
};

const total = async (agent: Agent, protocol: string, result: string): Promise<number> =>
  (await metricsOf(agent)).value(TOTAL, { protocol, result });

test('a guest is unserved while it runs without a sidecar, and its messages stay counted afterwards', () =>
  withScannedNode((node, netnsDir, show) =>
    withFrames((open) =>
      withAddressedPod('veth', ({ netns }) =>
        withHookPlace(async (place) => {
          const agent = await node.start({ netnsDir });
          const conf = { guestAddresses: 'pod' };
          succeeded(await node.call('ADD', netns, { conf }));
          show(netns);
          await scanned(agent);
          assert.equal(await valuesOf(agent), { served: 0, unserved: 0 }, 'no VM runs');

          const guest = await open(netns, 'tap', 'tap0');
          await untilIs('nobody serves the VM', () => valuesOf(agent), { served: 0, unserved: 1 });
          const said = () => linesAbout(agent, 'o sidecar serves the guest of "tap0"');
          assert.equal(
            said().map(({ level, netns, container, ifname }) => [level, netns, container, ifname]),
            [['warn', netns.name, 'pod1', 'net1']],
          );

          const env = {
            TAPWIRE_BINDING: 'tap',
            TAPWIRE_HOOK_DIR: makeHookDirectory(join(place, 'hooks')),
          };
          const serve = (from: number, to: number) =>
            withSidecar(netns, place, env, async (sidecar) => {
              await untilIs('the sidecar serves it', () => valuesOf(agent), { served: 1, unserved: 0 });
              const [discover = ''] = requestsOf(MAC);
              for (let offers = from + 1; offers <= to; offers++) {
                guest.send(discover);
                await untilIs('the offer counts', () => total(agent, 'DHCPv4', 'OFFER'), offers);
              }
              sidecar.kill('SIGTERM');
              assert.is(await sidecar.ended(), 0);
              await untilIs('it has ended', () => valuesOf(agent), { served: 0, unserved: 1 });
              assert.is(await total(agent, 'DHCPv4', 'OFFER'), to);
            });
          await serve(0, 2);
          await serve(2, 3);
          assert.is(said().length, 3);
          assert.is(linesAbout(agent, 'A sidecar serves the guest of "tap0"').length, 2);

          await guest.close();
          await untilIs('the VM has ended', () => valuesOf(agent), { served: 0, unserved: 0 });
          assert.is(await total(agent, 'DHCPv4', 'OFFER'), 3);
          await agent.stop();
        }),
      ),
    ),
  ));

const recordOf = (serves: boolean): TapRecord => ({
  key: { containerId: 'pod1', ifname: 'net1' },
  binding: 'tap',
  podLink: 'eth0',
  mtu: 1500,
  restore: { clsact: false, allmulti: false, noQueue: false, down: false, silence: false },
  told: [],
  passage: { serves, ipv6: false, guard: 'off' },
});

/** Gives a pod taps that look as if Tapwire had made them. */
async function addTaps(pod: TestNetns, names: readonly string[], serves = true): Promise<void> {
  const alias = encodeRecord(recordOf(serves));
  const commands = names.map(
    (name) => `tuntap add dev ${name} mode tap\nlink set ${name} alias "${alias}"\n`,
  );
  await execa('ip', ['-n', pod.name, '-batch', '-'], { input: commands.join('') });
}

test('a pod counts with its first 32 taps, and only with those that ADD has prepared', () =>
  withScannedNode((node, netnsDir, show) =>
    withNetns((hostile) =>
      withNetns(async (plain) => {
        const taps = Array.from({ length: 40 }, (_, i) => `tap${i}`);
        await addTaps(hostile, taps);
        await addTaps(plain, ['tap0'], false);
        const counts = { 'DHCPv4 ACK': 1, 'DHCPv4 NAK': -5, 'no such': 1e9 };
        const answer = JSON.stringify(Object.fromEntries(taps.map((tap) => [tap, counts])));
        await withPodServer(hostile, saying(answer), () =>
          withPodServer(plain, saying(answer), async () => {
            const agent = await node.start({ netnsDir });
            await scanned(agent);
            for (const pod of [hostile, plain]) show(pod);
            await untilIs('32 are served', () => valuesOf(agent), { served: 32, unserved: 0 });
            await untilIs('they count', () => total(agent, 'DHCPv4', 'ACK'), 32);
            const samples = (await metricsOf(agent)).families.get(TOTAL)?.samples ?? [];
            assert.is(samples.length, MESSAGES.length);
            assert.is(
              samples.reduce((sum, { value }) => sum + value, 0),
              32,
            );
            await agent.stop();
          }),
        );
      }),
    ),
  ));

/** Counts one more ACK for each client. */
const COUNTING = `
  globalThis.clients = (globalThis.clients ?? 0) + 1;
  socket.end(JSON.stringify({ tap0: { 'DHCPv4 ACK': globalThis.clients } }));`;

test('servers that misbehave delay neither the counts of other pods nor calls', () =>
  withScannedNode(async (node, netnsDir, show) => {
    const prepared = <T>(act: (pod: TestNetns) => Promise<T>): Promise<T> =>
      withNetns(async (pod) => {
        await pod.ip('link set lo up');
        await addTaps(pod, ['tap0']);
        show(pod);
        return await act(pod);
      });
    const serving = (behaviour: string, act: () => Promise<void>): Promise<void> =>
      prepared((pod) => withPodServer(pod, behaviour, act));
    const lingering = (act: () => Promise<void>): Promise<void> =>
      prepared((pod) => withLingeringServer(pod, '{"tap0":{}}', act));
    const deaf = (act: () => Promise<void>): Promise<void> => prepared((pod) => withDeafServer(pod, act));
    const among = [
      (act: () => Promise<void>) => serving(BEHAVIOURS.silent, act),
      (act: () => Promise<void>) => serving(BEHAVIOURS.endless, act),
      (act: () => Promise<void>) => serving(BEHAVIOURS.slow, act),
      (act: () => Promise<void>) => serving(saying('['.repeat(16 * 1024)), act),
      lingering,
      deaf,
    ].reduceRight<() => Promise<void>>(
      (act, surround) => () => surround(act),
      () =>
        serving(COUNTING, async () => {
          const agent = await node.start({ netnsDir });
          await scanned(agent);
          const first = await total(agent, 'DHCPv4', 'ACK');
          await until('scans go on', async () => (await total(agent, 'DHCPv4', 'ACK')) >= first + 3);
          assert.equal(await valuesOf(agent), { served: 2, unserved: 0 });
          assert.is((await within('/readyz', page(agent, '/readyz'))).status, 200);
          await within('the agent', agent.stop());
        }),
    );
    await among();
  }));

test.run();
