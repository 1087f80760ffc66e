import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../../cni/request/version.ts';
import { cni } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { dumpNetns, sameNetns, withNetns, withPod } from '../../helpers/pod/netns.ts';
import { NEWEST, silent, succeeds } from './calls.ts';
import { BLUE, BLUE_TAP, chained, linkOf, mismatched, onBlue, onPod, prevResultOf } from './pods.ts';

export const RESULTS: Section = {
  title: '1.4 Results',
  rows: [
    {
      id: 'R4.1',
      requires:
        'A result lists every interface that was created, on the node too; `sandbox` is CNI_NETNS to the letter.',
      differs:
        "the tap is not listed: Multus makes a network status of every interface in the pod, and KubeVirt looks for the pod link's",
      shows: 'a network on its own lists its pod link, with the sandbox as given, and no tap',
      test: () =>
        onBlue(async (request, netns) => {
          const path = `/run/netns/../netns/./${netns.name}`;
          const { json } = await succeeds('ADD', { ...request, netns: path });
          const { address } = await linkOf(netns, BLUE);
          assert.equal(json.interfaces, [{ name: BLUE, mac: address, mtu: 1450, sandbox: path }]);
          assert.is((await linkOf(netns, BLUE_TAP)).ifname, BLUE_TAP);
        }),
    },
    {
      id: 'R4.1 binding',
      requires: 'KubeVirt counts every network status of a pod; a binding must not add one.',
      shows: 'a binding answers with its version alone',
      test: () =>
        onPod(async (request) => {
          assert.equal((await succeeds('ADD', { ...request, conf: {} })).json, { cniVersion: '1.0.0' });
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R4.2',
      requires: 'ADD of an interface name that exists must fail.',
      differs:
        "CNI_IFNAME is never created here: for a network it is the pod link that must be there, for a binding it means nothing. An ADD that repeats one is idempotent, so that it completes what a killed one began; what is somebody else's is refused",
      shows:
        'a second ADD of the same container changes nothing; one of another container, and a foreign tap, are refused',
      test: () =>
        onPod(async (request, netns) => {
          await succeeds('ADD', request);
          const wired = await dumpNetns(netns);
          await succeeds('ADD', request);
          sameNetns(await dumpNetns(netns), wired, 'the second ADD changed nothing');
          const { json } = await cni('ADD', { ...request, containerId: 'pod2' });
          assert.equal(
            [json.code, /^Cannot add tap "tap0": that name is taken by /.test(json.msg)],
            [101, true],
          );
          sameNetns(await dumpNetns(netns), wired, 'the refused ADD changed nothing');
          await succeeds('DEL', request);
          await netns.ip('tuntap add tap0 mode tap');
          const foreign = await dumpNetns(netns);
          assert.is((await cni('ADD', request)).json.code, 101);
          await succeeds('DEL', request);
          sameNetns(await dumpNetns(netns), foreign, 'the foreign tap is untouched');
          await netns.ip('link del tap0');
        }),
    },
    ...SUPPORTED_VERSIONS.map((version) => ({
      id: `R4.3 ${version}`,
      requires: `A prevResult of ${version} that the plugin does not change is returned equivalent.`,
      shows: 'interfaces, their indexes, addresses, gateways, routes, DNS and unknown keys all come back',
      test: async () => {
        const prevResult = {
          ...prevResultOf(version, '/run/netns/x'),
          'example.org/vendor': { kept: [1, null] },
        };
        assert.equal(await chained(version, prevResult), prevResult);
      },
    })),
    {
      id: 'R4.4',
      requires: 'A result of delegated address management has no interfaces.',
      inapplicable: 'nothing is delegated: the pod link has its addresses from the network in front',
    },
    {
      id: 'R4.5',
      requires: 'DEL, CHECK, GC and STATUS print nothing on success.',
      shows: 'nothing on stdout, nothing on stderr',
      test: () =>
        onPod(async (request) => {
          const newest = { ...request, conf: { ...NEWEST, prevResult: NEWEST } };
          await succeeds('ADD', newest);
          for (const command of ['CHECK', 'STATUS', 'GC', 'DEL']) silent(await cni(command, newest), command);
        }),
    },
    ...(
      [
        ['0.3.0', true],
        ['0.3.1', true],
        ['0.4.0', true],
        ['1.0.0', false],
        ['1.1.0', false],
      ] as const
    ).map(([version, isOld]) => ({
      id: `R4.6 ${version}`,
      requires: isOld
        ? `${version}: addresses have a "version", interfaces no MTU, an empty "dns" is written.`
        : `${version}: addresses have no "version", interfaces have an MTU, an empty "dns" is left out.`,
      shows: 'the result of a network on its own, whole; the index 0 of its addresses is written',
      test: () =>
        onBlue(
          async (request, netns) => {
            const { address } = await linkOf(netns, BLUE);
            const ip = (family: string, text: string) => ({
              ...(isOld ? { version: family } : {}),
              interface: 0,
              address: text,
            });
            assert.equal((await succeeds('ADD', request)).json, {
              cniVersion: version,
              interfaces: [
                { name: BLUE, mac: address, ...(isOld ? {} : { mtu: 1450 }), sandbox: netns.path },
              ],
              ips: [ip('4', '192.0.2.10/24'), ip('6', '2001:db8::10/64')],
              ...(isOld ? { dns: {} } : {}),
            });
          },
          { cniVersion: version },
        ),
    })),
    {
      id: 'R4.7',
      requires:
        'Output is JSON indented by four spaces; empty lists are left out; MACs are lower case with colons.',
      differs:
        'it is on one line: white space for depth would make hostile input many times larger; a parser does not mind',
      shows: 'the text of a result whose link has no address',
      test: () =>
        withNetns(async (netns) => {
          await netns.ip(`link add ${BLUE} address 02:00:00:AB:CD:EF type veth peer name host0`);
          const { stdout } = await succeeds('ADD', { netns: netns.path, ifname: BLUE });
          const mac = '02:00:00:ab:cd:ef';
          const result = {
            cniVersion: '1.0.0',
            interfaces: [{ name: BLUE, mac, mtu: 1500, sandbox: netns.path }],
          };
          assert.is(stdout, JSON.stringify(result));
        }),
    },
    {
      id: 'R4.8 up',
      requires: 'Conversion of results from 0.3/0.4 to 1.x drops the version of addresses.',
      differs:
        'a prevResult has the form of its configuration, so that there is nothing to convert; one of the other form is an error (R5.4)',
      shows: 'a prevResult of 0.4.0 in a configuration of 1.0.0 is refused',
      test: () => mismatched('1.0.0', '0.4.0'),
    },
    {
      id: 'R4.8 down',
      requires:
        'Conversion of results from 1.x to 0.3/0.4 adds the version of addresses and drops what those do not know.',
      differs: 'as above',
      shows:
        'a prevResult of 1.1.0 in a configuration of 0.3.1 is refused; our own result of 0.4.0 has no MTU',
      test: async () => {
        await mismatched('0.3.1', '1.1.0');
        await onBlue(
          async (request) => {
            const { json } = await succeeds('ADD', request);
            assert.equal(Object.keys(json.interfaces[0]), ['name', 'mac', 'sandbox']);
          },
          { cniVersion: '0.4.0' },
        );
      },
    },
    {
      id: 'R4.8 oldest',
      requires: 'Conversion to 0.1.0 or 0.2.0 fails without an IP address.',
      differs: 'it fails before anything is done (R3.1), and with code 1',
      shows: 'a network whose NAD says 0.2.0 leaves no tap behind',
      test: () =>
        withPod(BLUE, async (netns) => {
          const before = await dumpNetns(netns);
          const { json } = await cni('ADD', {
            netns: netns.path,
            ifname: BLUE,
            conf: { cniVersion: '0.2.0' },
          });
          assert.is(json.code, 1);
          sameNetns(await dumpNetns(netns), before);
        }),
    },
    {
      id: 'R4.8 string',
      requires: 'Between versions of one form (0.3.x and 0.4.0; 1.0.0 and 1.1.0) only the version changes.',
      shows: 'the rest of a prevResult of the sister version is untouched',
      test: async () => {
        for (const [version, sister] of [
          ['1.1.0', '1.0.0'],
          ['1.0.0', '1.1.0'],
          ['0.4.0', '0.3.1'],
          ['0.3.0', '0.4.0'],
        ] as const) {
          const prevResult = prevResultOf(sister, '/run/netns/x');
          assert.equal(await chained(version, prevResult), { ...prevResult, cniVersion: version });
        }
      },
    },
  ],
};
