import * as assert from 'uvu/assert';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { badArgs, CAPABILITIES, conf, MAC, reachesNetns, refusal, refused } from './calls.ts';
import { BLUE, withMac } from './pods.ts';

export const ARGUMENTS: Section = {
  title: '1.11 Capabilities and arguments',
  rows: [
    ...CAPABILITIES.map(([key, good, bad, path]) => ({
      id: `R11.1 ${key}`,
      requires: `runtimeConfig.${key}: acted upon or rejected.`,
      ...(key === 'mac'
        ? {}
        : {
            differs:
              'it is checked and then nothing is made of it: whatever it asks of the pod link is done by the plugin in front, whose configuration has it as well',
          }),
      shows: `a good one is accepted, a broken one is code 7 that names $.runtimeConfig.${path}`,
      test: async () => {
        await reachesNetns({}, conf({ runtimeConfig: { [key]: good } }));
        const error = await refusal({}, conf({ runtimeConfig: { [key]: bad } }));
        assert.is(error.code, 7);
        assert.match(error.msg, `Cannot read $.runtimeConfig.${path}: `);
      },
    })),
    {
      id: 'R11.2 mac',
      requires: 'A MAC that is asked for is given or refused.',
      shows:
        'a network whose pod link has it is wired; one whose pod link has another is refused with code 7',
      test: async () => {
        assert.is((await withMac({ runtimeConfig: { mac: MAC.toUpperCase() } })).exitCode, 0);
        const { json } = await withMac({ runtimeConfig: { mac: '02:00:00:00:0a:0c' } });
        assert.is(json.code, 7);
        assert.match(json.msg, `Cannot wire "${BLUE}": it has ${MAC} as its MAC, want 02:00:00:00:0a:0c;`);
      },
    },
    {
      id: 'R11.2 form',
      requires:
        'A MAC is one value in every form that Go reads: with dashes, in groups of four digits, in capitals.',
      shows: 'each form of the pod link’s is accepted, by runtimeConfig, args.cni and CNI_ARGS',
      test: async () => {
        for (const mac of ['02-00-00-00-0A-0B', '0200.0000.0a0b', MAC.toUpperCase()]) {
          for (const [keys, args] of [
            [{ runtimeConfig: { mac } }],
            [{ args: { cni: { mac } } }],
            [{}, `MAC=${mac}`],
          ] as const) {
            assert.is((await withMac(keys, args)).exitCode, 0, mac);
          }
        }
      },
    },
    {
      id: 'R11.2 order',
      requires: 'runtimeConfig goes before args.cni, and that before CNI_ARGS.',
      shows: 'the MAC that goes before is compared with the pod link’s, the others are not',
      test: async () => {
        const other = '02:00:00:00:00:0f';
        const args = (mac: string) => ({ args: { cni: { mac } } });
        assert.is(
          (await withMac({ runtimeConfig: { mac: MAC }, ...args(other) }, `MAC=${other}`)).exitCode,
          0,
        );
        assert.is(
          (await withMac({ runtimeConfig: { mac: other }, ...args(MAC) }, `MAC=${MAC}`)).json.code,
          7,
        );
        assert.is((await withMac(args(MAC), `MAC=${other}`)).exitCode, 0);
        assert.is((await withMac(args(other), `MAC=${MAC}`)).json.code, 7);
        assert.is((await withMac({}, `MAC=${MAC}`)).exitCode, 0);
        assert.is((await withMac({}, `MAC=${other}`)).json.code, 7);
      },
    },
    {
      id: 'R11.3',
      requires:
        'args.cni: labels is a list of key and value, ips a list of addresses; other keys are metadata.',
      shows: 'good ones pass, a broken one is code 7 that names its path, unknown ones pass',
      test: async () => {
        const args = (cniArgs: unknown) => conf({ args: { cni: cniArgs, example: 1 } });
        await reachesNetns({}, args({ labels: [{ key: 'a', value: 'b' }], ips: ['192.0.2.5'], vendor: {} }));
        await refused(
          7,
          /^Cannot read \$\.args\.cni\.labels\[0\]\.value: /,
          {},
          args({ labels: [{ key: 'a' }] }),
        );
        await refused(7, /^Cannot read \$\.args\.cni\.ips\[0\]: /, {}, args({ ips: ['x'] }));
        await refused(7, /^Cannot read \$\.args\.cni\.mac: /, {}, args({ mac: '00:00:00:00:00:00' }));
      },
    },
    {
      id: 'R11.4 pairs',
      requires: 'CNI_ARGS is KEY=value with ";" between; anything else is an error.',
      shows: 'good ones pass, five bad ones are code 4 that names the pair',
      test: async () => {
        for (const args of ['', 'IgnoreUnknown=1', 'K8S_POD_NAME=a;K8S_POD_NAMESPACE=b', 'K8S_POD_NAME=']) {
          await reachesNetns({ CNI_ARGS: args });
        }
        for (const [args, pair] of [
          ['a', 'a'],
          ['K8S_POD_NAME=a;', ''],
          ['=;b', 'b'],
          ['K8S_POD_NAME=a=b', 'K8S_POD_NAME=a=b'],
          [';', ''],
        ] as const) {
          await badArgs(args, `ARGS: invalid pair ${JSON.stringify(pair)}`);
        }
      },
    },
    {
      id: 'R11.4 unknown',
      requires: 'Unknown keys are an error unless IgnoreUnknown is true; keys are case-sensitive.',
      shows:
        'with "1" and "true" in any letters they pass; without, and with "0" and "false", they are code 4',
      test: async () => {
        for (const yes of ['1', 'true', 'True', 'TRUE'])
          await reachesNetns({ CNI_ARGS: `IgnoreUnknown=${yes};foo=bar` });
        for (const no of ['IgnoreUnknown=0;foo=bar', 'IgnoreUnknown=False;foo=bar', 'foo=bar']) {
          await badArgs(no, 'ARGS: unknown args ["foo"]');
        }
        await badArgs('ignoreunknown=1', 'ARGS: unknown args ["ignoreunknown"]');
      },
    },
    {
      id: 'R11.4 twice',
      requires: 'If a key occurs twice, the later pair overrides the earlier one.',
      shows:
        "Multus thin's doubled keys pass, also with IgnoreUnknown as true and 1; the later of two MACs counts; " +
        'two different K8S_POD_NAMESPACE or K8S_POD_NAME are code 4, since the node policy reads them',
      test: async () => {
        const pod = 'K8S_POD_NAMESPACE=vms;K8S_POD_NAME=vm1;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1';
        await reachesNetns({ CNI_ARGS: `IgnoreUnknown=true;${pod};${pod};IgnoreUnknown=1;foo=bar` });
        await reachesNetns({ CNI_ARGS: 'MAC=ff:ff:ff:ff:ff:ff;MAC=02:00:00:00:00:01' });
        await badArgs(
          'K8S_POD_NAMESPACE=a;K8S_POD_NAMESPACE=b',
          'ARGS: two values of K8S_POD_NAMESPACE: "a" and "b"',
        );
        await badArgs('K8S_POD_NAME=a;K8S_POD_NAME=b', 'ARGS: two values of K8S_POD_NAME: "a" and "b"');
      },
    },
    {
      id: 'R11.4 boolean',
      requires: 'IgnoreUnknown is 1, true, 0 or false.',
      shows: 'anything else is code 4',
      test: async () => {
        for (const value of ['', 'yes', '2', ' true']) {
          await badArgs(`IgnoreUnknown=${value}`, `ARGS: boolean unmarshal error: invalid input ${value}`);
        }
      },
    },
    {
      id: 'R11.5',
      requires: 'Kubernetes’ keys, MAC and IP are understood.',
      shows: 'what containerd and Multus send passes; a broken MAC or IP is code 4 that names the key',
      test: async () => {
        const sent =
          'IgnoreUnknown=true;K8S_POD_NAMESPACE=vms;K8S_POD_NAME=vm1;K8S_POD_INFRA_CONTAINER_ID=;K8S_POD_UID=1';
        await reachesNetns({ CNI_ARGS: `${sent};MAC=02:00:00:00:00:01;IP=192.0.2.5,2001:db8::5/64` });
        await badArgs('MAC=ff:ff:ff:ff:ff:ff', /^ARGS: .*MAC/);
        await badArgs('IP=192.0.2.300', /^ARGS: .*IP/);
      },
    },
    {
      id: 'R11.6',
      requires: 'What is given in args and in CNI_ARGS counts as in args.',
      shows: 'R11.2 order',
      test: () => reachesNetns({ CNI_ARGS: 'MAC=02:00:00:00:00:01' }, conf({ args: { cni: { mac: MAC } } })),
    },
  ],
};
