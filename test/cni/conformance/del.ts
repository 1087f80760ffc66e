import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { attempt } from '../../../cni/plan/apply.ts';
import { linksOf, type Op, type Run } from '../../../cni/plan/op.ts';
import { BindingError } from '../../../shared/errors.ts';
import { callWith, cni, environmentOf } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { dumpNetns, sameNetns, withPod } from '../../helpers/pod/netns.ts';
import { CHECKABLE, call, conf, refusal, refused, silent, succeeds } from './calls.ts';
import { binding, onPod } from './pods.ts';

export const DELETION: Section = {
  title: '1.7 DEL',
  rows: [
    {
      id: 'R7.1 twice',
      requires: 'DEL succeeds however often it comes.',
      shows: 'three times',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          for (let i = 0; i < 3; i++) silent(await cni('DEL', request));
        }),
    },
    {
      id: 'R7.1 gone',
      requires:
        'DEL succeeds where the interface, the netns or its path is gone, and where CNI_NETNS is empty.',
      shows:
        'a tap deleted by hand, a pod link deleted by hand, a netns that is gone, an empty and a missing CNI_NETNS',
      test: async () => {
        await onPod(async (request, { ip }) => {
          await succeeds('ADD', request);
          await ip('link del tap0');
          silent(await cni('DEL', request));
        });
        await withPod('eth0', async (netns) => {
          await succeeds('ADD', binding(netns));
          await netns.ip('link del eth0');
          silent(await cni('DEL', binding(netns)));
          assert.is(await netns.ip('-br link show type tun'), '');
        });
        const gone = await withPod('eth0', async (netns) => {
          await succeeds('ADD', binding(netns));
          return netns.path;
        });
        for (const CNI_NETNS of [gone, '', undefined]) silent(await call({ CNI_COMMAND: 'DEL', CNI_NETNS }));
      },
    },
    {
      id: 'R7.1 state',
      requires: 'DEL succeeds, and cleans up, without the state that ADD stored.',
      shows:
        'the record on the tap is overwritten: the filters on the pod link go all the same, and the tap is nobody’s to delete',
      test: () =>
        onPod(async (request, { ip, tc }) => {
          await succeeds('ADD', request);
          await ip('link set tap0 alias something-else');
          silent(await cni('DEL', request));
          assert.not.match(await tc('filter show dev eth0 ingress'), /mirred/);
          assert.not.match(await tc('qdisc show dev eth0'), /clsact/);
          await ip('link del tap0');
        }),
    },
    {
      id: 'R7.1 configuration',
      requires:
        'DEL is called with the configuration of ADD, or with that of today; the reference skeleton checks name and version.',
      differs:
        'DEL has no result, so no version can be wrong for it, and all that it needs is in the environment: what ADD rejects comes again with DEL, whose error would keep the pod from being deleted',
      shows:
        'DEL restores with each of 16 configurations: without cniVersion or name, with bad ones or of another type, with bad keys, without JSON; and with bad CNI_ARGS',
      test: () =>
        onPod(async (request, netns) => {
          const { CNI_COMMAND: _, ...env } = environmentOf('DEL', request);
          const configurations = [
            ...[undefined, null, '', '0.2.0', '1.2.0', '9.9.9', 'x', 1, {}].map((cniVersion) =>
              conf({ cniVersion }),
            ),
            ...[undefined, null, '', 'a%b', 1].map((name) => conf({ name })),
            conf({ binding: 'bridge', mtu: 'x', args: 1, runtimeConfig: [], capabilities: 1 }),
            '{',
          ];
          for (const input of configurations) {
            await succeeds('ADD', request);
            silent(await callWith({ ...env, CNI_COMMAND: 'DEL' }, input), input);
            assert.not.match(await netns.ip('link show'), /tap0/, input);
          }
          await succeeds('ADD', request);
          const CNI_ARGS = 'x;IgnoreUnknown=maybe;K8S_POD_NAME=a;K8S_POD_NAME=b';
          silent(await callWith({ ...env, CNI_COMMAND: 'DEL', CNI_ARGS, CNI_PATH: '' }, conf()));
        }),
    },
    {
      id: 'R7.1 version',
      requires: "An error of DEL is in the configuration's version.",
      shows: 'in 0.4.0 if the configuration says so, in 1.0.0 if it says a version that does not exist',
      test: async () => {
        // The plugin's own netns: whoever does the work refuses that.
        const changes = { CNI_COMMAND: 'DEL', CNI_NETNS: '/proc/self/ns/net' };
        for (const [cniVersion, want] of [
          ['0.4.0', '0.4.0'],
          ['9.9.9', '1.0.0'],
          [undefined, '1.0.0'],
        ] as const) {
          assert.is((await refusal(changes, conf({ cniVersion }))).cniVersion, want);
        }
      },
    },
    {
      id: 'R7.2',
      requires: 'DEL goes on after a failure, and reports only what is worth a retry.',
      shows: 'in process: of three operations two fail, all three ran, both failures are told',
      test: async () => {
        const ran: string[] = [];
        const ops = ['a', 'b', 'c'].map((link): Op => ({ op: 'deleteLink', link }));
        const run: Run = async (levels) =>
          levels.flat().map((op) => {
            const link = linksOf(op)[0] ?? '';
            ran.push(link);
            return link === 'b' ? 'done' : new BindingError('KERNEL_REFUSED', `no ${link}`);
          });
        const failures = await attempt(ops, run);
        assert.equal(
          [ran, failures],
          [
            ['a', 'b', 'c'],
            ['no a', 'no c'],
          ],
        );
      },
    },
    {
      id: 'R7.3',
      requires: 'DEL may come without an ADD, or after one that failed.',
      shows: 'both change nothing',
      test: () =>
        onPod(async (request) => {
          silent(await cni('DEL', request));
          assert.is((await cni('ADD', { ...request, conf: { podLink: 'none0' } })).exitCode, 1);
          silent(await cni('DEL', request));
        }),
    },
    {
      id: 'R7.4',
      requires:
        'CNI_NETNS may be a path that is no longer a namespace. Other plugins fail on a file of another file system.',
      differs:
        'an ordinary file is what stays when a netns is unmounted and its name is not removed, so DEL takes it for gone and succeeds; ADD and CHECK refuse it',
      shows: 'DEL with an empty file and a directory succeeds, ADD with them is code 8',
      test: async () => {
        const folder = mkdtempSync(join(tmpdir(), 'tapwire-netns-'));
        try {
          const file = join(folder, 'left-over');
          writeFileSync(file, '');
          for (const CNI_NETNS of [file, folder]) {
            silent(await call({ CNI_COMMAND: 'DEL', CNI_NETNS }));
            await refused(8, /^Cannot open netns /, { CNI_NETNS });
            await refused(8, /^Cannot open netns /, { CNI_COMMAND: 'CHECK', CNI_NETNS }, conf(CHECKABLE));
          }
        } finally {
          rmSync(folder, { recursive: true });
        }
      },
    },
    {
      id: 'R7.4 reused',
      requires: 'The path may lead to a netns that somebody else uses by now.',
      shows: "DEL of one container leaves another's wiring in the same netns alone",
      test: () =>
        onPod(async (request, netns) => {
          await succeeds('ADD', request);
          const wired = await dumpNetns(netns);
          silent(await cni('DEL', { ...request, containerId: 'an-earlier-pod' }));
          sameNetns(await dumpNetns(netns), wired);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R7.5',
      requires: 'DEL of delegated address management is called in any case.',
      inapplicable: 'nothing is delegated',
    },
  ],
};
