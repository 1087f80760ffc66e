import { closeSync, openSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { native } from '../../../shared/native/native.ts';
import { cni } from '../../helpers/plugin/cni.ts';
import { isTested, type Section } from '../../helpers/plugin/conformance.ts';
import { withNetns } from '../../helpers/pod/netns.ts';
import { conf, refusal, refused, silent, statusWithoutTun } from './calls.ts';
import { ENVIRONMENT } from './environment.ts';
import { binding, onPod } from './pods.ts';

/** The error of a request that provokes that code. */
const CODES: readonly (readonly [number, string, () => Promise<{ code: number; msg: string }>])[] = [
  [1, 'incompatible version', () => refusal({}, conf({ cniVersion: '9.9.9' }))],
  [4, 'invalid environment variables; the message names them', () => refusal({ CNI_PATH: undefined })],
  [6, 'undecodable content', () => refusal({}, '{')],
  [7, 'invalid network configuration', () => refusal({}, conf({ mtu: 1 }))],
  [8, 'invalid netns', () => refusal({})],
  [50, 'STATUS: not available', statusWithoutTun],
];

export const ERRORS: Section = {
  title: '1.6 Errors',
  rows: [
    {
      id: 'R6.1',
      requires: 'An error is an object of cniVersion, code, msg and, where there is more to say, details.',
      shows: 'exactly these keys; no empty details; the version is the one of the configuration',
      test: async () => {
        assert.equal(await refusal({}, conf({ cniVersion: '0.4.0' })), {
          cniVersion: '0.4.0',
          code: 8,
          msg: 'Cannot open netns "/run/netns/none": there is no network namespace',
        });
        const withDetails = await refusal({ CNI_CONTAINERID: '%' });
        assert.equal(Object.keys(withDetails), ['cniVersion', 'code', 'msg', 'details']);
      },
    },
    ...CODES.map(([code, meaning, provoke]) => ({
      id: `R6.2 ${code}`,
      requires: `Code ${code}: ${meaning}.`,
      shows: `a request that is refused with code ${code}`,
      test: async () => assert.is((await provoke()).code, code),
    })),
    {
      id: 'R6.2 2',
      requires: 'Code 2: unsupported field; the message names key and value.',
      differs:
        'a value that cannot be served is code 7 like every other bad value; the message names key, wanted and given value',
      shows: 'a binding that there is not is code 7',
      test: () =>
        refused(
          7,
          'Cannot read $.binding: want "tap" or "macvtap" or "passt", got "bridge"',
          {},
          conf({ binding: 'bridge' }),
        ),
    },
    {
      id: 'R6.2 3',
      requires: 'Code 3: unknown container, no DEL is needed.',
      differs: 'DEL of an unknown container succeeds, so that nobody needs to know this code',
      shows: 'DEL of a container that was never added',
      test: () => onPod(async (request) => silent(await cni('DEL', { ...request, containerId: 'never' }))),
    },
    {
      id: 'R6.2 5',
      requires: 'Code 5: input or output failed.',
      shows: 'stdin that is a directory (R1.8)',
      test: () =>
        ENVIRONMENT.rows
          .filter(isTested)
          .find(({ id }) => id === 'R1.8 read')
          ?.test(),
    },
    {
      id: 'R6.2 11',
      requires: 'Code 11: try again later.',
      shows: 'ADD waits for a lock that is held on the netns, then says code 11 and has changed nothing',
      test: () =>
        onPod(async (request, { path }) => {
          const fd = openSync(path, 'r');
          try {
            assert.ok(native.tryLock(fd));
            const { json } = await cni('ADD', request);
            assert.equal(
              [json.code, json.msg],
              [11, "Cannot lock the pod's netns: another call has held it for 15 s"],
            );
          } finally {
            closeSync(fd);
          }
        }),
    },
    {
      id: 'R6.2 51',
      requires: 'Code 51: not available, and existing containers may have limited connectivity.',
      inapplicable:
        'wired pods go on without Tapwire: what they need is in their netns. Nothing that STATUS finds limits them',
    },
    {
      id: 'R6.3',
      requires: "0 to 99 are the specification's; a plugin's own codes begin at 100.",
      shows: 'a missing pod link is 100, a foreign link 101, broken wiring 106, a policy 107',
      test: () =>
        withNetns(async (netns) => {
          assert.is((await cni('ADD', binding(netns))).json.code, 100);
          await netns.ip('link add eth0 type veth peer name tap0');
          assert.is((await cni('ADD', binding(netns))).json.code, 101);
          assert.is((await cni('CHECK', binding(netns))).json.code, 106);
          assert.is((await cni('ADD', { netns: netns.path, ifname: 'eth0' })).json.code, 107);
        }),
    },
  ],
};
