import * as assert from 'uvu/assert';
import { cni } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { silent, succeeds } from './calls.ts';
import { BLUE, chained, mismatched, onBlue, onPod, prevResultOf } from './pods.ts';

export const PREV_RESULT: Section = {
  title: '1.5 prevResult',
  rows: [
    {
      id: 'R5.1',
      requires: 'The first plugin of an ADD gets none, the later ones do.',
      shows: 'a network is wired with and without one',
      test: () =>
        onBlue(async (request, { path }) => {
          assert.is((await succeeds('ADD', request)).json.interfaces.length, 1);
          const prevResult = prevResultOf('1.0.0', path);
          assert.is((await succeeds('ADD', { ...request, conf: { prevResult } })).json.interfaces.length, 2);
        }),
    },
    {
      id: 'R5.2',
      requires: 'DEL tolerates a prevResult that is missing, null or broken.',
      shows: 'DEL restores with each of nine',
      test: () =>
        onPod(async (request) => {
          const broken = [
            undefined,
            null,
            [],
            'x',
            1,
            {},
            { cniVersion: '9' },
            { interfaces: 1 },
            { ips: [{}] },
          ];
          for (const prevResult of broken) {
            await succeeds('ADD', request);
            silent(await cni('DEL', { ...request, conf: { prevResult } }), JSON.stringify(prevResult));
            assert.is((await cni('CHECK', request)).json.code, 106, 'DEL did its work');
          }
        }),
    },
    {
      id: 'R5.3',
      requires: 'CHECK requires a prevResult.',
      shows: 'without one, or with null: code 7, "Required prevResult missing"',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          for (const lacking of [{}, { prevResult: null }]) {
            const { json } = await cni('CHECK', { ...request, conf: lacking });
            assert.equal([json.code, json.msg], [7, 'Required prevResult missing']);
          }
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R5.4 absent',
      requires: "Without a cniVersion of its own a prevResult has the configuration's.",
      shows: 'one without comes back with the version of the configuration, in 0.3.1 and 1.0.0',
      test: async () => {
        for (const version of ['0.3.1', '1.0.0']) {
          const { cniVersion: _, ...prevResult } = prevResultOf(version, '/run/netns/x');
          assert.equal(await chained(version, prevResult), { ...prevResult, cniVersion: version });
        }
      },
    },
    {
      id: 'R5.4 mismatch',
      requires: 'A prevResult of another form than the configuration is an error.',
      shows: 'code 7 that names $.prevResult.cniVersion, in both directions',
      test: async () => {
        await mismatched('0.4.0', '1.0.0');
        await mismatched('1.1.0', '0.4.0');
      },
    },
    {
      id: 'R5.4 zero',
      requires:
        'null and empty lists, "" and an interface index of -1, as old plugins write "none", are nothing.',
      shows: 'each passes through ADD as it came',
      test: async () => {
        for (const given of [
          { interfaces: null, ips: null, routes: null, dns: null },
          { interfaces: [], ips: [], routes: [], dns: {} },
          { ips: [{ version: '4', interface: -1, address: '192.0.2.10/24', gateway: '' }], dns: {} },
        ]) {
          const prevResult = { cniVersion: '0.3.1', ...given };
          assert.equal(await chained('0.3.1', prevResult), prevResult);
        }
      },
    },
    {
      id: 'R5.5',
      requires: 'CHECK allows for what later plugins of the chain changed: it compares with prevResult.',
      shows:
        'after another plugin changed MAC, MTU and addresses of the pod link CHECK succeeds with the result that says so, and fails with the older one',
      test: () =>
        onBlue(async (request, netns) => {
          const first = (await succeeds('ADD', request)).json;
          const checked = (prevResult: unknown) => cni('CHECK', { ...request, conf: { prevResult } });
          silent(await checked(first));
          await netns.ip(`link set ${BLUE} address 02:00:00:00:00:77 mtu 1460`);
          await netns.ip(`addr del 192.0.2.10/24 dev ${BLUE}`);
          await netns.ip(`addr add 192.0.2.99/24 dev ${BLUE}`);
          const [link] = first.interfaces;
          const last = {
            ...first,
            interfaces: [{ ...link, mac: '02:00:00:00:00:77', mtu: 1460 }],
            ips: [{ interface: 0, address: '192.0.2.99/24' }],
          };
          silent(await checked(last));
          const { json } = await checked(first);
          assert.is(json.code, 106);
          assert.match(json.msg, `"${BLUE}" has MAC 02:00:00:00:00:77 instead of ${link.mac}`);
          assert.match(json.msg, `"${BLUE}" has lost its address 192.0.2.10/24`);
        }),
    },
  ],
};
