import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../../cni/request/version.ts';
import { callWith, cni } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { dumpNetns, sameNetns } from '../../helpers/pod/netns.ts';
import {
  CAPABILITIES,
  call,
  conf,
  NEWEST,
  reachesNetns,
  refused,
  SINCE_1_1,
  silent,
  succeeds,
} from './calls.ts';
import { BLUE, BLUE_TAP, linkOf, onPod } from './pods.ts';

export const MULTUS: Section = {
  title: '7.7 What Multus does',
  rows: [
    {
      id: 'M1',
      requires: 'A result without interfaces is accepted.',
      shows: 'a binding answers with its version alone (R4.1 binding), in every version',
      test: () =>
        onPod(async (request) => {
          for (const cniVersion of SUPPORTED_VERSIONS) {
            assert.equal((await succeeds('ADD', { ...request, conf: { cniVersion } })).json, { cniVersion });
          }
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'M2',
      requires: 'When a later delegate fails, DEL comes for the earlier ones.',
      shows: 'DEL after ADD, without prevResult, restores',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          silent(await cni('DEL', { ...request, conf: {} }));
        }),
    },
    {
      id: 'M3',
      requires: 'A configuration without a name is given that of its NAD.',
      inapplicable: 'Multus does that; without a name it is code 7 (R1.5)',
    },
    {
      id: 'M4',
      requires: 'runtimeConfig arrives with portMappings, mac, ips and deviceID.',
      shows: 'all at once are accepted',
      test: () =>
        reachesNetns(
          {},
          conf({ runtimeConfig: Object.fromEntries(CAPABILITIES.map(([key, good]) => [key, good])) }),
        ),
    },
    {
      id: 'M5',
      requires: 'deviceID and pciBusID are written into every plugin of a chain.',
      shows: 'they are accepted silently; a value that is not a device id is code 7',
      test: async () => {
        const device = { deviceID: 'dataplaneMvp7', pciBusID: 'dataplaneMvp7' };
        const { stderr } = await call({}, conf(device));
        assert.equal(
          stderr.split('\n').map((line) => JSON.parse(line).level),
          ['error'],
        );
        await refused(7, /^Cannot read \$\.deviceID: /, {}, conf({ ...device, deviceID: 'a\nb' }));
        await refused(7, /^Cannot read \$\.pciBusID: /, {}, conf({ ...device, pciBusID: {} }));
      },
    },
    {
      id: 'M6',
      requires: "The annotation's cni-args are merged into args.cni.",
      shows: 'a network is found by args.cni.logicNetworkName among other args',
      test: () =>
        onPod(async (request, netns) => {
          await netns.ip(`link add ${BLUE} type veth peer name host1`);
          await netns.ip(`link set ${BLUE} addrgenmode none`);
          const args = { args: { other: {}, cni: { ips: ['192.0.2.5'], logicNetworkName: 'blue' } } };
          await succeeds('ADD', { netns: request.netns, conf: args });
          assert.is((await linkOf(netns, BLUE_TAP)).ifname, BLUE_TAP);
          await succeeds('DEL', request);
          await netns.ip(`link del ${BLUE}`);
        }),
    },
    {
      id: 'M7',
      requires: 'CNI_ARGS of the environment are merged.',
      shows: 'more keys, with IgnoreUnknown, pass',
      test: () =>
        reachesNetns({
          CNI_ARGS: 'IgnoreUnknown=true;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;X_Y=1;MAC=02:00:00:00:00:01',
        }),
    },
    {
      id: 'M8',
      requires: 'DEL after the pod is gone uses what was cached; without a cache there may be no cni-args.',
      shows: 'DEL without args restores, and DEL without CNI_IFNAME is code 4 and leaves a wired pod alone',
      test: () =>
        onPod(async (request, netns) => {
          await succeeds('ADD', request);
          const wired = await dumpNetns(netns);
          const { json } = await cni('DEL', { netns: request.netns, ifname: '' });
          assert.is(json.code, 4);
          sameNetns(await dumpNetns(netns), wired);
          silent(await cni('DEL', { netns: request.netns }));
        }),
    },
    {
      id: 'M9',
      requires: 'GC and STATUS come without a pod.',
      shows: 'neither needs CNI_ARGS',
      test: async () => {
        for (const CNI_COMMAND of SINCE_1_1)
          silent(await callWith({ CNI_COMMAND, CNI_PATH: '/x' }, conf(NEWEST)));
      },
    },
    {
      id: 'M10',
      requires:
        'Annotations with more than one "/" or "@", with spaces, or names above 15 characters are refused.',
      inapplicable: 'Multus parses them; a name that gets through is R1.4',
    },
  ],
};
