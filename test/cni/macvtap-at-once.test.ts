/** Calls at once for macvtaps of many pods, and of one pod. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hashedPodIfname } from '../../shared/kubevirt/names.ts';
import type { Call } from '../helpers/plugin/cni.ts';
import {
  argsOf,
  BLUE,
  hasOwnDevice,
  LOWER,
  podName,
  withMacvtapNode,
} from '../helpers/plugin/macvtap-node.ts';
import { inOneWay, WAY } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, type TestNetns, withNetns } from '../helpers/pod/netns.ts';

const everyWay = suite('macvtaps at once');
const test = inOneWay(everyWay);

/** Without an agent, each call is a process of its own, of which the smallest machine runs two. */
const PODS = WAY === 'agent' ? 20 : 5;

/** Runs `act` with this many pods. */
const withPods = <T>(count: number, act: (pods: readonly TestNetns[]) => Promise<T>): Promise<T> =>
  count === 0 ? act([]) : withNetns((pod) => withPods(count - 1, (pods) => act([pod, ...pods])));

everyWay(`${PODS} ADDs at once in ${PODS} pods each succeed, and DELs at once leave nothing`, () =>
  withMacvtapNode((node) =>
    withPods(PODS, async (pods) => {
      const [before, lower] = [await Promise.all(pods.map(dumpNetns)), await dumpNetns(node.netns)];
      const calls = pods.map((pod, nth) => node.podOf(pod, nth));
      for (let round = 0; round < 2; round++) {
        const added = await Promise.all(calls.map((call) => node.succeeds('ADD', call)));
        for (const pod of pods) await hasOwnDevice(pod);
        const macs = added.map(({ json }) => json.interfaces[0].mac);
        assert.is(new Set(macs).size, PODS, 'each has a MAC of its own');
        const checks = calls.map((call, i) => ({
          ...call,
          conf: { ...call.conf, prevResult: added[i]?.json },
        }));
        await Promise.all(checks.map((call) => node.succeeds('CHECK', call)));
        await Promise.all(calls.map((call) => node.succeeds('DEL', call)));
        assert.equal(node.deviceNodes(), []);
      }
      for (const [i, pod] of pods.entries()) sameNetns(await dumpNetns(pod), before[i] ?? {});
      sameNetns(await dumpNetns(node.netns), lower);
      if (WAY === 'agent')
        assert.ok(
          node.kubelet.calls() < 2 * PODS,
          `${node.kubelet.calls()} calls of kubelet: ADDs share them`,
        );
    }),
  ),
);

everyWay('ADDs and DELs at once for one and several networks of a pod never leave half a macvtap', () =>
  withMacvtapNode((node) =>
    withNetns(async (pod) => {
      const before = await dumpNetns(pod);
      const blue = node.podOf(pod, 0);
      const red: Call = {
        ...node.podOf(pod, 1),
        ifname: hashedPodIfname('red'),
        containerId: blue.containerId ?? '',
        env: { CNI_ARGS: argsOf(podName(1)) },
      };
      const both = [blue, red];
      const results = await Promise.all(
        both.flatMap((call) => [node.call('ADD', call), node.call('ADD', call)]),
      );
      for (const { exitCode, stdout } of results) assert.is(exitCode, 0, stdout);
      await hasOwnDevice(pod);
      await hasOwnDevice(pod, red.ifname);
      const commands = ['DEL', 'ADD', 'DEL', 'ADD'].flatMap((command) =>
        both.map((call) => node.call(command, call)),
      );
      for (const { exitCode, stdout } of await Promise.all(commands)) assert.is(exitCode, 0, stdout);
      for (const call of both) {
        await node.succeeds('ADD', call);
        await node.succeeds('DEL', call);
      }
      sameNetns(await dumpNetns(pod), before);
      assert.equal(node.deviceNodes(), []);
    }),
  ),
);

test('two ADDs at once for one device in two pods: the pod that has the device gets it', () =>
  withMacvtapNode((node) =>
    withPods(2, async ([own, thief]) => {
      const call = node.podOf(own as TestNetns, 0);
      const stolen: Call = {
        ...node.podOf(thief as TestNetns, 1),
        conf: { ...call.conf },
        env: { CNI_ARGS: argsOf(podName(1)) },
      };
      const [good, bad] = await Promise.all([node.call('ADD', call), node.call('ADD', stolen)]);
      assert.is(good?.exitCode, 0, good?.stdout);
      assert.is(bad?.json.code, 107, bad?.stdout);
      await hasOwnDevice(own as TestNetns);
      await node.succeeds('DEL', stolen);
      await hasOwnDevice(own as TestNetns);
      await node.succeeds('DEL', call);
    }),
  ));

test('a lower device that is deleted takes the macvtaps of all pods with it; ADD names it, DEL succeeds', () =>
  withMacvtapNode((node) =>
    withPods(3, async (pods) => {
      const calls = pods.map((pod, nth) => node.podOf(pod, nth));
      for (const call of calls) await node.succeeds('ADD', call);
      await node.netns.ip(`link del ${LOWER}`);
      for (const pod of pods) assert.is(await pod.ip('-o link show type macvtap'), '', BLUE);
      assert.equal(node.deviceNodes(), []);
      for (const call of calls) {
        assert.match((await node.call('ADD', call)).json.msg, `on "${LOWER}": this node has no such link`);
        await node.succeeds('DEL', call);
      }
    }),
  ));

everyWay.run();
