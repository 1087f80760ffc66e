import * as assert from 'uvu/assert';
import { boundedCall, errorOf } from '../../helpers/fuzz.ts';
import { cni } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { dumpNetns, sameNetns, withPod } from '../../helpers/pod/netns.ts';
import { CHECKABLE, call, conf, environment, refusal, silent, succeeds } from './calls.ts';
import { BLUE, onBlue, prevResultOf } from './pods.ts';

export const NETNS: Section = {
  title: '1.12 The netns of the node, 1.13 Chaining',
  rows: [
    {
      id: 'R12.1',
      everyWay: true,
      requires: "ADD and DEL in the plugin's own netns: code 8; the library finds out afterwards.",
      differs: 'it is checked before anything is done: afterwards the node would be cut off',
      shows:
        'in a netns that plays the node, which has an eth0: ADD, DEL and CHECK are refused and it stays as it was',
      test: async () => {
        const msg = "plugin's netns and netns from CNI_NETNS should not be the same";
        await withPod('eth0', async (node) => {
          const before = await dumpNetns(node);
          for (const CNI_COMMAND of ['ADD', 'DEL', 'CHECK']) {
            for (const CNI_NETNS of ['/proc/self/ns/net', node.path]) {
              const env = environment({ CNI_COMMAND, CNI_NETNS });
              const error = errorOf(
                await boundedCall(env, conf(CHECKABLE), node),
                `${CNI_COMMAND} ${CNI_NETNS}`,
              );
              assert.equal([error.code, error.msg], [8, msg]);
            }
          }
          sameNetns(await dumpNetns(node), before);
        });
      },
    },
    {
      id: 'R12.2',
      everyWay: true,
      requires: "CNI_NETNS_OVERRIDE=1 or TRUE allows the plugin's own netns.",
      differs:
        "it does not: a tap on a node's own link cuts the node off, and nothing of KubeVirt needs that",
      shows: '1, TRUE and true change nothing',
      test: async () => {
        for (const CNI_NETNS_OVERRIDE of ['1', 'TRUE', 'true']) {
          const changes = { CNI_NETNS: '/proc/self/ns/net', CNI_NETNS_OVERRIDE, CNI_IFNAME: 'podabsent' };
          assert.is((await refusal(changes, conf({ args: null }))).code, 8);
        }
      },
    },
    {
      id: 'R12.3',
      everyWay: true,
      requires: 'This check ignores a netns that cannot be opened, so that DEL works without it.',
      shows: 'DEL of a path that is not there',
      test: async () => silent(await call({ CNI_COMMAND: 'DEL' })),
    },
    {
      id: 'R13.1',
      requires:
        'A plugin that does not care for the kind of a link works chained on it, and alone where it can.',
      shows:
        'a network is wired after another plugin and on a link that is there; without any link it is code 100',
      test: () =>
        onBlue(async (request, netns) => {
          await succeeds('ADD', { ...request, conf: { prevResult: prevResultOf('1.0.0', netns.path) } });
          await succeeds('DEL', request);
          await succeeds('ADD', request);
          await netns.ip(`link del ${BLUE}`);
          await succeeds('DEL', request);
          assert.is((await cni('ADD', request)).json.code, 100);
        }),
    },
  ],
};
