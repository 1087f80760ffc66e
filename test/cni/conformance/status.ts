import * as assert from 'uvu/assert';
import { boundedCall } from '../../helpers/fuzz.ts';
import { callWith } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { traceCall } from '../../helpers/plugin/strace.ts';
import { dumpNetns, sameNetns, withNetns } from '../../helpers/pod/netns.ts';
import { conf, NEWEST, silent, statusWithoutTun } from './calls.ts';

export const STATUS: Section = {
  title: '1.10 STATUS',
  rows: [
    {
      id: 'R10.1 ready',
      requires: 'STATUS exits 0 when ADD can be served.',
      shows: 'on this node, which can',
      test: async () => silent(await callWith({ CNI_COMMAND: 'STATUS', CNI_PATH: '/x' }, conf(NEWEST))),
    },
    {
      id: 'R10.1 not ready',
      requires: 'Else it is code 50 or 51 with the reason.',
      shows: 'without /dev/net/tun: code 50, and the message names what is missing',
      test: async () => {
        const { code, msg } = await statusWithoutTun();
        assert.is(code, 50);
        assert.match(msg, /^Cannot wire pods on this node: Cannot add tap .*; this kernel needs CONFIG_TUN/);
      },
    },
    {
      id: 'R10.1 traces',
      requires: 'STATUS leaves nothing behind.',
      shows: 'a netns that plays the node is the same after it',
      test: async () => {
        await withNetns(async (node) => {
          const before = await dumpNetns(node);
          const env = { CNI_COMMAND: 'STATUS', CNI_PATH: '/x' };
          assert.equal(await boundedCall(env, conf(NEWEST), node), {
            exitCode: 0,
            stdout: '',
            stderr: '',
            timedOut: false,
          });
          sameNetns(await dumpNetns(node), before);
        });
      },
    },
    {
      id: 'R10.1 delegate',
      requires: 'STATUS is passed on to delegated address management.',
      inapplicable: 'nothing is delegated',
    },
    {
      id: 'R10.2',
      requires: 'STATUS looks at what ADD needs: devices, kernel parts, a daemon.',
      shows:
        'it makes two taps in a netns of its own and redirects one to the other, which is all that ADD asks of a kernel; ' +
        'for a configuration with guestAddresses or spoofGuard, it then does in another netns what ADD does',
      test: async () => {
        const env = { CNI_COMMAND: 'STATUS', CNI_PATH: '/x' };
        const tapsOf = async (keys: Readonly<Record<string, unknown>>) => {
          const { lines } = await traceCall(['ioctl'], env, conf({ ...NEWEST, ...keys }));
          return lines.filter((line) => line.includes('TUNSETIFF')).length;
        };
        assert.is(await tapsOf({}), 2);
        assert.is(await tapsOf({ guestAddresses: 'pod' }), 4);
        assert.is(await tapsOf({ spoofGuard: 'mac' }), 4);
      },
    },
  ],
};
