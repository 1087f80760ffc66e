import * as assert from 'uvu/assert';
import { cni } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { call, conf, reachesNetns, refused, succeeds } from './calls.ts';
import { linkOf, onPod } from './pods.ts';

export const INPUT: Section = {
  title: '1.2 Configuration on stdin',
  rows: [
    {
      id: 'R2.1',
      requires: 'Runtimes add keys; a plugin may refuse unknown ones, no plugin does.',
      shows: 'what runtimes add is accepted in silence, any other key with one warning on stderr',
      test: () =>
        onPod(async (request) => {
          const injected = {
            deviceID: '0000:03:02.0',
            pciBusID: '0000:03:02.0',
            capabilities: { mac: true },
            runtimeConfig: {},
            'cni.dev/attachments': [],
            'cni.dev/valid-attachments': null,
            disableCheck: true,
          };
          const { stderr } = await succeeds('ADD', { ...request, conf: injected });
          assert.is(stderr, '');
          const warned = await succeeds('ADD', { ...request, conf: { bridge: 'br0', vlna: 5 } });
          const { level, keys } = JSON.parse(warned.stderr);
          assert.equal([level, keys], ['warn', ['bridge', 'vlna']]);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R2.2',
      requires:
        "Go's decoder finds keys in other letters (`MTU`, `CNIVersion`), so configurations in the field have them.",
      shows: 'a configuration in other letters works; an exact key goes before one in other letters',
      test: () =>
        onPod(async (request, netns) => {
          const { netns: path } = request;
          const odd = JSON.stringify({
            CNIVersion: '1.0.0',
            Name: 'tapwire-tap',
            Type: 'tapwire',
            MTU: 1300,
            mtu: 1400,
            MultiQueue: true,
            Args: { CNI: { LogicNetworkName: 'default' } },
          });
          const { json } = await call({ CNI_NETNS: path }, odd);
          assert.equal(json, { cniVersion: '1.0.0' });
          const tap = await linkOf(netns, 'tap0');
          assert.equal([tap.mtu, tap.linkinfo.info_data.multi_queue], [1400, true]);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R2.3',
      requires: 'Numbers are not made of strings, nor integers of fractions: a decoding error.',
      shows: 'code 7 that names the key, the wanted and the given value',
      test: async () => {
        for (const [given, shown] of [
          ['1500', '"1500"'],
          [1500.5, '1500.5'],
          [true, 'true'],
          [[], '[]'],
        ] as const) {
          const msg = `Cannot read $.mtu: want an integer in 68..65535, got ${shown}`;
          await refused(7, msg, {}, conf({ mtu: given }));
        }
        await refused(7, /^Cannot read \$\.multiQueue: /, {}, conf({ multiQueue: 'true' }));
        await refused(7, /^Cannot read \$\.owner: /, {}, conf({ owner: '107' }));
      },
    },
    {
      id: 'R2.3 null',
      requires: 'null is the same as no key, as Go writes empty values.',
      shows: 'ADD with null in every optional key is ADD without them',
      test: () =>
        onPod(async (request) => {
          const keys = ['podLink', 'mtu', 'owner', 'group', 'multiQueue', 'selinuxContext'];
          const others = ['guestAddresses', 'spoofGuard', 'runtimeConfig', 'prevResult', 'deviceID'];
          const nulls = Object.fromEntries([...keys, ...others].map((key) => [key, null]));
          assert.equal((await succeeds('ADD', { ...request, conf: nulls })).json, { cniVersion: '1.0.0' });
          await succeeds('CHECK', request);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R2.3 zero',
      requires: '"" and 0 are the same as no key, as Go writes what is not set; 0 is a user, though.',
      shows: 'ADD with them in every optional key is ADD without them; owner 0 is root',
      test: () =>
        onPod(async (request) => {
          const zeros = {
            ...Object.fromEntries(
              [
                'binding',
                'podLink',
                'network',
                'owner',
                'group',
                'selinuxContext',
                'guestAddresses',
                'spoofGuard',
                'deviceID',
                'pciBusID',
              ].map((key) => [key, '']),
            ),
            mtu: 0,
            runtimeConfig: { mac: '', ips: [], infinibandGUID: '', deviceID: '' },
          };
          const { json, stderr } = await succeeds('ADD', { ...request, conf: zeros });
          assert.equal([json, stderr], [{ cniVersion: '1.0.0' }, '']);
          await succeeds('CHECK', request);
          const { msg } = (await cni('ADD', { ...request, conf: { owner: 0 } })).json;
          assert.match(msg, 'it exists with another owner');
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R2.4',
      requires: 'A list of plugins (`plugins`) is split by the runtime.',
      inapplicable:
        'a plugin never sees one; the runtimes that split it are played in the chain and containerd tests',
    },
    {
      id: 'R2.5',
      everyWay: true,
      requires: 'Input that is hostile in size or depth is refused at once.',
      shows: 'more than 1 MiB, and nesting above 64, are code 6',
      test: async () => {
        const size = 'Cannot read the network configuration: more than 1048576 bytes';
        await refused(6, size, {}, conf({ x: 'x'.repeat(1024 * 1024) }));
        const deep = 'Cannot parse the network configuration: nested more than 64 levels deep';
        await refused(6, deep, {}, '['.repeat(65));
        await refused(6, deep, {}, `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`);
        await reachesNetns({}, conf({ x: JSON.parse('['.repeat(63) + ']'.repeat(63)) }));
      },
    },
  ],
};
