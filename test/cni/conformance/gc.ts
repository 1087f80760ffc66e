import * as assert from 'uvu/assert';
import { boundedCall } from '../../helpers/fuzz.ts';
import { callWith } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { dumpNetns, sameNetns, withPod } from '../../helpers/pod/netns.ts';
import { call, conf, environment, NEWEST, silent, succeeds } from './calls.ts';
import { onPod } from './pods.ts';

/** GC with that list leaves a wired pod as it is. */
const collected = (valid: Readonly<Record<string, unknown>>) =>
  onPod(async (request, netns) => {
    await succeeds('ADD', request);
    const wired = await dumpNetns(netns);
    const env = {
      CNI_COMMAND: 'GC',
      CNI_CONTAINERID: undefined,
      CNI_NETNS: undefined,
      CNI_IFNAME: undefined,
    };
    silent(await call(env, conf({ ...NEWEST, ...valid })));
    sameNetns(await dumpNetns(netns), wired);
    await succeeds('DEL', request);
  });

export const COLLECTION: Section = {
  title: '1.9 GC',
  rows: [
    ...(
      [
        ['lists this attachment', { 'cni.dev/valid-attachments': [{ containerID: 'pod1', ifname: 'net1' }] }],
        ['lists another', { 'cni.dev/valid-attachments': [{ containerID: 'pod9', ifname: 'net1' }] }],
        ['is empty', { 'cni.dev/valid-attachments': [] }],
        ['is null', { 'cni.dev/valid-attachments': null, 'cni.dev/attachments': null }],
        ['is absent', {}],
      ] as const
    ).map(([why, valid]) => ({
      id: `R9.1 ${why}`,
      requires: `GC where cni.dev/valid-attachments ${why}.`,
      shows:
        'succeeds in silence; all that Tapwire makes is in the netns of a pod and goes with it, so no live pod is touched',
      test: () => collected(valid),
    })),
    {
      id: 'R9.2',
      requires: 'What an attachment left on the node outside the given list is removed.',
      shows: 'nothing is left: after a pod whose DEL never came, a netns that plays the node is as it was',
      test: async () => {
        await withPod('eth0', async (node) => {
          const before = await dumpNetns(node);
          await withPod('eth0', async ({ path }) => {
            const { exitCode } = await boundedCall(environment({ CNI_NETNS: path }), conf(), node);
            assert.is(exitCode, 0);
          });
          sameNetns(await dumpNetns(node), before);
        });
      },
    },
    {
      id: 'R9.3',
      requires:
        'GC needs no container, netns or interface name, goes on after errors and is passed on to delegates.',
      shows: 'GC with CNI_PATH alone; there are no delegates and nothing that can fail',
      test: async () => silent(await callWith({ CNI_COMMAND: 'GC', CNI_PATH: '/x' }, conf(NEWEST))),
    },
    {
      id: 'R9.4',
      requires: 'Before GC the runtime calls DEL for what it has cached and is not in the list.',
      inapplicable: "the runtime's part; each of those DELs is R7.1 to R7.4",
    },
  ],
};
