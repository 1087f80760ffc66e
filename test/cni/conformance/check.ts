import * as assert from 'uvu/assert';
import { cni } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import type { TestNetns } from '../../helpers/pod/netns.ts';
import { silent, succeeds } from './calls.ts';
import { BLUE, onBlue, onPod, prevResultOf } from './pods.ts';

const damaged = (damage: (netns: TestNetns) => Promise<unknown>, defect: string | RegExp) =>
  onPod(async (request, netns) => {
    await succeeds('ADD', request);
    await damage(netns);
    const { exitCode, json } = await cni('CHECK', request);
    assert.equal([exitCode, json.code], [1, 106]);
    assert.match(json.msg, defect);
    await succeeds('DEL', request);
    if ((await netns.ip('-br link show type tun')) !== '') await netns.ip('link del tap0');
  });

export const CHECKING: Section = {
  title: '1.8 CHECK',
  rows: [
    ...(
      [
        ['a deleted tap', ({ ip }: TestNetns) => ip('link del tap0'), 'tap "tap0" is gone'],
        ['a tap that is down', ({ ip }: TestNetns) => ip('link set tap0 down'), 'tap "tap0" is down'],
        [
          'a changed MTU of the tap',
          ({ ip }: TestNetns) => ip('link set tap0 mtu 1000'),
          'tap "tap0" has mtu 1000 instead of 1450',
        ],
        [
          'a deleted redirect',
          ({ tc }: TestNetns) => tc('filter del dev eth0 ingress'),
          '"eth0" has no redirect to "tap0"',
        ],
        [
          'a deleted qdisc',
          ({ tc }: TestNetns) => tc('qdisc del dev eth0 clsact'),
          '"eth0" has no clsact qdisc, so no redirect to "tap0"',
        ],
        [
          'a tap that is not ours any more',
          ({ ip }: TestNetns) => ip('link set tap0 alias foreign'),
          /"tap0" is a tun link that Tapwire did not make/,
        ],
      ] as const
    ).map(([why, damage, defect]) => ({
      id: `R8.1 ${why}`,
      requires: 'CHECK fails when what the plugin made is gone or changed.',
      shows: `CHECK names ${why}`,
      test: () => damaged(damage, defect),
    })),
    {
      id: 'R8.1 sandbox',
      requires: 'CHECK fails when the sandbox in prevResult is not CNI_NETNS.',
      shows: 'a result of another netns is code 106',
      test: () =>
        onBlue(async (request, { path }) => {
          const prevResult = (await succeeds('ADD', request)).json;
          prevResult.interfaces[0].sandbox = '/run/netns/elsewhere';
          const { json } = await cni('CHECK', { ...request, conf: { prevResult } });
          assert.is(json.code, 106);
          assert.match(
            json.msg,
            `Sandbox in prevResult /run/netns/elsewhere does not match configured netns ${path}`,
          );
        }),
    },
    {
      id: 'R8.1 delegate',
      requires: 'CHECK is passed on to delegated address management.',
      inapplicable: 'nothing is delegated; that the addresses in prevResult are there is checked (R5.5)',
    },
    {
      id: 'R8.2',
      requires: 'CHECK prints nothing and exits 0 when all is well; right after ADD it must be.',
      shows: 'CHECK at once after ADD, and again',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          silent(await cni('CHECK', request));
          silent(await cni('CHECK', request));
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R8.2 untrue',
      requires: 'CHECK right after ADD succeeds also if prevResult claims what the pod link never had.',
      shows:
        'ADD warns of a MAC and an address that the link does not have; CHECK succeeds, and fails when an address is lost that was there',
      test: () =>
        onBlue(async (request, netns) => {
          const prevResult = prevResultOf('1.0.0', netns.path);
          prevResult.ips.push({ interface: 1, address: '10.77.0.9/24', gateway: '' });
          const call = { ...request, conf: { prevResult } };
          const { json, stderr } = await succeeds('ADD', call);
          assert.equal(json, prevResult);
          assert.match(stderr, `pod link \\"${BLUE}\\" has MAC 02:00:00:00:00:01, but it has `);
          assert.match(stderr, `pod link \\"${BLUE}\\" has address 10.77.0.9/24, but it has 192.0.2.10/24`);
          silent(await cni('CHECK', call));
          await netns.ip(`addr del 192.0.2.10/24 dev ${BLUE}`);
          const { code, msg } = (await cni('CHECK', call)).json;
          const lost = `pod link "${BLUE}" has lost its address 192.0.2.10/24`;
          assert.equal([code, msg], [106, `Cannot confirm the wiring of "${BLUE}": ${lost}`]);
        }),
    },
  ],
};
