import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../../cni/request/version.ts';
import { cni } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { dumpNetns, sameNetns } from '../../helpers/pod/netns.ts';
import { call, conf, gated, refusal, refused, silent, succeeds } from './calls.ts';
import { onPod } from './pods.ts';

export const VERSIONS: Section = {
  title: '1.3 Versions',
  rows: [
    {
      id: 'R3.1',
      requires: 'A plugin of today speaks 0.1.0 to 1.1.0.',
      differs:
        'a result of 0.1.0 or 0.2.0 must hold an IP address, and a tap has none; other plugins find that out when the link is made already',
      shows:
        '0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0 are served; ADD of 0.1.0 and 0.2.0 is refused with code 1 and nothing done, DEL succeeds',
      test: () =>
        onPod(async (request, netns) => {
          const before = await dumpNetns(netns);
          for (const cniVersion of ['0.1.0', '0.2.0']) {
            const { json } = await cni('ADD', { ...request, conf: { cniVersion } });
            assert.equal([json.code, json.msg], [1, 'incompatible CNI versions']);
            silent(await cni('DEL', { ...request, conf: { cniVersion } }));
          }
          sameNetns(await dumpNetns(netns), before);
          for (const cniVersion of SUPPORTED_VERSIONS) {
            assert.equal((await succeeds('ADD', { ...request, conf: { cniVersion } })).json, { cniVersion });
            await succeeds('DEL', { ...request, conf: { cniVersion } });
          }
        }),
    },
    {
      id: 'R3.2',
      requires:
        'VERSION answers with the newest version and the list of all, whatever dummies the other variables hold.',
      shows: '{"cniVersion": "1.1.0", "supportedVersions": […]}',
      test: async () => {
        const dummies = {
          CNI_COMMAND: 'VERSION',
          CNI_NETNS: 'dummy',
          CNI_IFNAME: 'dummy',
          CNI_PATH: 'dummy',
        };
        for (const input of ['{"cniVersion":"0.4.0"}', '', 'no JSON']) {
          const { json, exitCode } = await call({ ...dummies, CNI_CONTAINERID: undefined }, input);
          assert.equal(
            [exitCode, json],
            [0, { cniVersion: '1.1.0', supportedVersions: [...SUPPORTED_VERSIONS] }],
          );
        }
      },
    },
    {
      id: 'R3.3',
      requires:
        'A version that is not, letter for letter, a supported one: code 1, "incompatible CNI versions", both in details.',
      shows: '9.9.9, 1.0, 01.0.0, "1.0.0 " and 1.1.1 are refused',
      test: async () => {
        for (const version of ['9.9.9', '1.0', '01.0.0', '1.0.0 ', '1.1.1', '0.3', 'v1.0.0']) {
          const { code, msg, details } = await refusal({}, conf({ cniVersion: version }));
          assert.equal([code, msg], [1, 'incompatible CNI versions']);
          assert.is(
            details,
            `config is "${version}", plugin supports ["0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]`,
          );
        }
      },
    },
    ...(
      [
        ['CHECK', '0.3.1', '0.4.0'],
        ['GC', '1.0.0', '1.1.0'],
        ['STATUS', '1.0.0', '1.1.0'],
      ] as const
    ).map(([command, older, since]) => ({
      id: `R3.4 ${command}`,
      requires: `${command} exists since ${since}; for an older configuration code 1, "config version does not allow ${command}".`,
      shows: `refused for ${older}, served for ${since}`,
      test: () => gated(command, older, since),
    })),
    {
      id: 'R3.4 newer',
      requires:
        'CHECK, GC or STATUS of a configuration newer than the plugin: code 1, "plugin version does not allow …".',
      shows: 'all three are refused for 2.0.0',
      test: async () => {
        for (const command of ['CHECK', 'GC', 'STATUS']) {
          const changes = { CNI_COMMAND: command };
          await refused(
            1,
            `plugin version does not allow ${command}`,
            changes,
            conf({ cniVersion: '2.0.0' }),
          );
        }
      },
    },
    {
      id: 'R3.4 form',
      requires:
        'CHECK, GC and STATUS compare versions; a malformed version is code 6. Missing parts count as 0.',
      shows: '"garbage", "1.x", "1.0.0.0" and "-1.0.0" are code 6; "0.4" is compared, and then not supported',
      test: async () => {
        for (const version of ['garbage', '1.x', '1.0.0.0', '-1.0.0', '1..0']) {
          const changes = { CNI_COMMAND: 'CHECK' };
          await refused(
            6,
            /^Cannot read \$\.cniVersion: want a version/,
            changes,
            conf({ cniVersion: version }),
          );
        }
        await refused(1, 'incompatible CNI versions', { CNI_COMMAND: 'CHECK' }, conf({ cniVersion: '0.4' }));
        await refused(
          1,
          'config version does not allow CHECK',
          { CNI_COMMAND: 'CHECK' },
          conf({ cniVersion: '0.3' }),
        );
      },
    },
    {
      id: 'R3.5',
      requires: "A result is in the configuration's version.",
      shows: 'ADD answers in each of the five versions, errors too',
      test: () =>
        onPod(async (request) => {
          for (const cniVersion of SUPPORTED_VERSIONS) {
            assert.is(
              (await succeeds('ADD', { ...request, conf: { cniVersion } })).json.cniVersion,
              cniVersion,
            );
            const { json } = await cni('ADD', { ...request, conf: { cniVersion, mtu: 1 } });
            assert.equal([json.cniVersion, json.code], [cniVersion, 7]);
          }
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R3.6',
      requires:
        'A configuration without version counts as 0.1.0; a plugin that does not speak it says code 1.',
      shows: 'no key, null and "" are refused as "0.1.0"',
      test: async () => {
        for (const cniVersion of [undefined, null, '']) {
          const { code, msg, details } = await refusal({}, conf({ cniVersion }));
          assert.equal([code, msg], [1, 'incompatible CNI versions']);
          assert.match(details ?? '', 'config is "0.1.0"');
        }
      },
    },
  ],
};
