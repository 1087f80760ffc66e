/**
 * Multicast frames for groups that the pod has not joined reach the guest, on every kind of pod
 * link.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../helpers/agent/agent-node.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';
import { arriving } from '../helpers/pod/programs.ts';

const test = suite('multicast to a guest');

/**
 * The solicited-node group of an address that the pod does not have, and an IPv4 group that no
 * program has joined.
 */
const GROUPS = ['33:33:ff:00:00:77', '01:00:5e:01:02:03'];
const ALL = { ipv4: 5, arp: 5, ipv6: 5, other: 5 };

/** Creates eth0 of one kind, and returns the sender of frames to it. */
type Make = (pod: TestNetns, outside: TestNetns) => Promise<Parameters<typeof arriving>[1]>;

const veth: Make = async (pod, outside) => {
  await pod.ip(`link add eth0 type veth peer name host0 netns ${outside.name}`);
  await outside.ip('link set host0 up');
  return { netns: outside, ifname: 'host0' };
};

/** On top of a veth. */
const above =
  (kind: string): Make =>
  async (pod, outside) => {
    const sender = await veth(pod, outside);
    await pod.ip('link set eth0 name lower0');
    await pod.ip('link set lower0 up');
    await pod.ip(`link add link lower0 name eth0 type ${kind}`);
    return sender;
  };

const bridge: Make = async (pod, outside) => {
  const sender = await veth(pod, outside);
  await pod.ip('link set eth0 name port0');
  await pod.ip('link add eth0 type bridge mcast_snooping 1 mcast_querier 1');
  await pod.ip('link set port0 master eth0 up');
  await pod.ip('link set eth0 up');
  await until('the port forwards', async () =>
    (await pod.ip('-d -j link show dev port0')).includes('"state":"forwarding"'),
  );
  return sender;
};

const vxlan: Make = async (pod, outside) => {
  await veth(pod, outside);
  await pod.ip('link set eth0 name lower0');
  for (const [{ ip }, lower, own, other, name] of [
    [pod, 'lower0', '192.0.2.1', '192.0.2.2', 'eth0'],
    [outside, 'host0', '192.0.2.2', '192.0.2.1', 'vxlan0'],
  ] as const) {
    await ip(`link set ${lower} up`);
    await ip(`addr add ${own}/24 dev ${lower}`);
    await ip(`link add ${name} type vxlan id 7 local ${own} remote ${other} dev ${lower} dstport 4789`);
  }
  await outside.ip('link set vxlan0 up');
  return { netns: outside, ifname: 'vxlan0' };
};

const tap: Make = async (pod) => {
  await pod.ip('tuntap add eth0 mode tap');
  return { netns: pod, ifname: 'eth0', holdsIt: true };
};

const isAllmulti = async ({ ip }: TestNetns): Promise<boolean> =>
  JSON.parse(await ip('-j -d link show dev eth0'))[0].allmulti > 0;

for (const [kind, make, wantsAllmulti] of [
  ['veth', veth, false],
  ['tap', tap, false],
  ['vxlan', vxlan, false],
  ['bridge', bridge, true],
  ['macvlan in mode bridge', above('macvlan mode bridge'), true],
  ['macvlan in mode private', above('macvlan mode private'), true],
  ['macvlan in mode passthru', above('macvlan mode passthru'), true],
] as const satisfies readonly (readonly [string, Make, boolean])[]) {
  test(`a ${kind} as pod link passes all multicast, ${wantsAllmulti ? 'with allmulticast' : 'as it is'}; DEL turns allmulticast off`, () =>
    withNetns((outside) =>
      withNetns(async (pod) => {
        const sender = await make(pod, outside);
        await pod.ip('link set eth0 addrgenmode none');
        await pod.ip('link set eth0 up');
        const conf = { prevResult: { cniVersion: '1.0.0' } };
        const call = async (command: string) => {
          const { exitCode, stdout } = await cni(command, { netns: pod.path, network: 'default', conf });
          assert.is(exitCode, 0, stdout);
        };
        await call('ADD');
        assert.is(await isAllmulti(pod), wantsAllmulti);
        for (const group of GROUPS) {
          assert.equal(await arriving({ netns: pod, ifname: 'tap0' }, sender, group, 20), ALL, group);
        }
        await call('CHECK');
        await call('DEL');
        assert.not(await isAllmulti(pod));
      }),
    ));
}

test('a macvlan drops multicast without allmulticast', () =>
  withNetns((outside) =>
    withNetns(async (pod) => {
      const sender = await above('macvlan mode bridge')(pod, outside);
      await pod.ip('link set eth0 up');
      await cni('ADD', { netns: pod.path, network: 'default' });
      await pod.ip('link set eth0 allmulticast off');
      const [group = ''] = GROUPS;
      const none = { ipv4: 0, arp: 0, ipv6: 0, other: 0 };
      assert.equal(await arriving({ netns: pod, ifname: 'tap0' }, sender, group, 0), none);
    }),
  ));

test.run();
