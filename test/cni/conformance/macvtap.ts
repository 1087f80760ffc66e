import * as assert from 'uvu/assert';
import type { Call } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import {
  argsOf,
  BLUE,
  hasOwnDevice,
  ifindexOf,
  LOWER,
  type MacvtapNode,
  type NodeOptions,
  podName,
  showMacvtap,
  withMacvtapNode,
} from '../../helpers/plugin/macvtap-node.ts';
import { dumpNetns, sameNetns, type TestNetns, withNetns } from '../../helpers/pod/netns.ts';
import { MAC } from './calls.ts';
import { linkOf } from './pods.ts';

/** A pod with a device; `act` must leave the pod and /dev as they were. */
const onDevice = (
  act: (node: MacvtapNode, call: Call, pod: TestNetns) => Promise<unknown>,
  options?: NodeOptions,
): Promise<void> =>
  withMacvtapNode(
    (node) =>
      withNetns(async (pod) => {
        const before = await dumpNetns(pod);
        await act(node, node.podOf(pod), pod);
        sameNetns(await dumpNetns(pod), before);
        assert.equal(node.deviceNodes(), []);
      }),
    options,
  );

const withKeys = (call: Call, keys: Readonly<Record<string, unknown>>): Call => ({
  ...call,
  conf: { ...call.conf, ...keys },
});

/** ADD with these keys; then looks at the link, and deletes it. */
const added = (
  keys: Readonly<Record<string, unknown>>,
  // biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8), and a result
  look: (link: any, result: any) => unknown,
  options?: NodeOptions,
): Promise<void> =>
  onDevice(async (node, call, pod) => {
    const { json } = await node.succeeds('ADD', withKeys(call, keys));
    await look(await linkOf(pod, BLUE), json);
    await node.succeeds('DEL', call);
  }, options);

export const MACVTAP: Section = {
  title: '7.4, 7.5 Cases of macvlan and macvtap-cni',
  rows: [
    {
      id: 'V1',
      everyWay: true,
      requires: 'A configuration without other keys than the device gives a link that has a MAC.',
      shows: 'the macvtap is there; ADD reports its name, MAC, MTU and netns, and nothing else',
      test: () =>
        added({}, (link, { interfaces }) => {
          assert.is(link.linkinfo.info_kind, 'macvtap');
          const [{ sandbox, ...one }, ...others] = interfaces;
          assert.equal([one, others], [{ name: BLUE, mac: link.address, mtu: 1500 }, []]);
        }),
    },
    {
      id: 'V2',
      everyWay: true,
      requires: 'DEL deletes the link.',
      shows: 'link and device node are gone; DEL again, and of a pod that had no ADD, succeeds',
      test: () =>
        onDevice(async (node, call) => {
          await node.succeeds('DEL', call);
          await node.succeeds('ADD', call);
          await node.succeeds('DEL', call);
          await node.succeeds('DEL', call);
        }),
    },
    {
      id: 'V2 dead netns',
      requires: 'DEL succeeds if the netns no longer exists.',
      shows: 'DEL with the path of a deleted netns, and without a path, succeeds',
      test: () =>
        withMacvtapNode(async (node) => {
          const call = await withNetns(async (pod) => {
            const one = node.podOf(pod);
            await node.succeeds('ADD', one);
            return one;
          });
          await node.succeeds('DEL', call);
          await node.succeeds('DEL', { ...call, netns: '' });
        }),
    },
    {
      id: 'V3',
      requires: 'The MAC in CNI_ARGS is that of the link.',
      shows: 'CNI_ARGS and runtimeConfig each give the link their MAC',
      test: async () => {
        await added({ runtimeConfig: { mac: MAC } }, ({ address }) => assert.is(address, MAC));
        await onDevice(async (node, call, pod) => {
          await node.succeeds('ADD', { ...call, env: { CNI_ARGS: `${argsOf(podName(0))};MAC=${MAC}` } });
          assert.is((await linkOf(pod, BLUE)).address, MAC);
          await node.succeeds('DEL', call);
        });
      },
    },
    {
      id: 'V4',
      requires: 'The MTU in the configuration is that of the link.',
      shows: 'mtu 1000 is; mtu 1501 on a lower device of 1500 is code 7 that names both',
      test: async () => {
        await added({ mtu: 1000 }, ({ mtu }) => assert.is(mtu, 1000));
        await onDevice(async (node, call) => {
          const { json } = await node.call('ADD', withKeys(call, { mtu: 1501 }));
          assert.equal(
            [json.code, json.msg],
            [7, `Cannot read $.mtu: want at most 1500, the mtu of "${LOWER}", got 1501`],
          );
        });
      },
    },
    {
      id: 'V5',
      requires: 'promiscMode in the configuration turns on promiscuous mode.',
      differs: 'it also concerns the device of the node, so only the node policy file decides it',
      shows: 'promiscMode is code 107 unless the entry has promisc; with it, the link is promiscuous',
      test: async () => {
        await added({ promiscMode: true }, ({ promiscuity }) => assert.is(promiscuity, 1), {
          entry: { promisc: true },
        });
        await onDevice(async (node, call) => {
          assert.is((await node.call('ADD', withKeys(call, { promiscMode: true }))).json.code, 107);
        });
      },
    },
    {
      id: 'V6',
      everyWay: true,
      requires: 'The path of the device node ends with the ifindex of the link.',
      shows: 'the ifindex is that of the device id; the device node is that of the link, 107:107, mode 0600',
      test: () =>
        onDevice(async (node, call, pod) => {
          await node.succeeds('ADD', call);
          assert.is((await showMacvtap(pod)).link.ifindex, ifindexOf(node.ids[0] ?? ''));
          await hasOwnDevice(pod);
          await node.succeeds('DEL', call);
        }),
    },
    {
      id: 'V7',
      requires: 'Without master, the device with the default route is used.',
      differs: 'a guest would get onto a device of the node that no administrator has named',
      shows: 'code 7, which says that the pod must request the resource',
      test: () =>
        onDevice(async (node, call) => {
          const { json } = await node.call('ADD', withKeys(call, { deviceID: undefined }));
          assert.is(json.code, 7);
          assert.match(json.msg, /there is no \$\.deviceID, so kubelet gave the pod no device/);
        }),
    },
    {
      id: 'V8',
      requires: 'CHECK succeeds after ADD, and fails after the link has changed.',
      shows: 'CHECK is silent; of a link that was deleted, and of a lost device node, it is code 106',
      test: () =>
        onDevice(async (node, call, pod) => {
          const { json: prevResult } = await node.succeeds('ADD', call);
          const check = withKeys(call, { prevResult });
          assert.is((await node.succeeds('CHECK', check)).stdout, '');
          await pod.ip(`link del ${BLUE}`);
          assert.is((await node.call('CHECK', check)).json.code, 106);
          await node.succeeds('DEL', call);
        }),
    },
  ],
};
