/** Guest services and the spoof guard as a container runtime asks for them: in the NAD. */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hashedPodIfname } from '../../shared/kubevirt/names.ts';
import { type Answer, type Call, cni } from '../helpers/plugin/cni.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { giveAskedRouter } from '../helpers/pod/asked-router.ts';
import {
  dumpNetns,
  passtSysctls,
  sameNetns,
  type TestNetns,
  withNetns,
  withPod,
} from '../helpers/pod/netns.ts';

const everyWay = suite('guest services and spoof guard of a NAD');
const test = inOneWay(everyWay);

const BLUE = hashedPodIfname('blue');
type Conf = Readonly<Record<string, unknown>>;
const ALL = { guestAddresses: 'pod', spoofGuard: 'addresses' };
// CHECK requires the result of ADD; this is that of a binding.
const prevResult = { cniVersion: '1.0.0' };
const callOf = ({ path }: TestNetns, conf: Conf): Call => ({
  netns: path,
  network: 'default',
  conf: { ...conf, prevResult },
});

async function succeeds(command: string, call: Call): Promise<Answer> {
  const answer = await cni(command, call);
  assert.is(answer.exitCode, 0, `${command}: ${answer.stdout}`);
  return answer;
}

async function rejects(command: string, call: Call): Promise<{ code: number; msg: string }> {
  const { exitCode, json } = await cni(command, call);
  assert.is(exitCode, 1, `${command} is rejected`);
  return json;
}

const warningsOf = ({ stderr }: Answer): readonly string[] =>
  stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).message);

const PODS: Readonly<Record<string, (pod: TestNetns) => Promise<unknown>>> = {
  veth: async () => {},
  macvlan: async ({ ip }) => {
    await ip('link set eth0 name lower0');
    await ip('link set lower0 up');
    await ip('link add eth0 link lower0 mtu 1400 type macvlan mode bridge');
    await ip('link set eth0 up');
    await ip('addr add 198.51.100.5/24 dev eth0');
    await ip('addr add 2001:db8:2::5/64 dev eth0 nodad');
  },
};

for (const [kind, conf] of [
  ['veth', ALL],
  ['macvlan', ALL],
  ['veth', { spoofGuard: 'mac' }],
  ['macvlan', { guestAddresses: 'pod', spoofGuard: 'mac' }],
] as const) {
  everyWay(`ADD, CHECK and DEL of a ${kind} pod link with ${JSON.stringify(conf)}`, () =>
    withPod('eth0', async (pod) => {
      await PODS[kind]?.(pod);
      await pod.ip('route add default via fe80::1 dev eth0');
      const call = callOf(pod, conf);
      const [before, sysctls] = [await dumpNetns(pod), await passtSysctls(pod)];
      const added = await succeeds('ADD', call);
      assert.equal([added.json, added.stderr], [{ cniVersion: '1.0.0' }, '']);
      assert.equal(await passtSysctls(pod), 'guestAddresses' in conf ? [67, 107, 107] : sysctls);
      const wired = await dumpNetns(pod);
      await succeeds('ADD', call);
      sameNetns(await dumpNetns(pod), wired, 'a second ADD changes nothing');
      assert.is((await succeeds('CHECK', call)).stderr, '');
      await succeeds('DEL', call);
      sameNetns(await dumpNetns(pod), before);
      await succeeds('DEL', call);
    }),
  );
}

test('CHECK of a pod that was wired without the keys succeeds with a NAD that has them, and warns', () =>
  withPod('eth0', async (pod) => {
    await succeeds('ADD', callOf(pod, {}));
    const wired = await dumpNetns(pod);
    for (const [conf, keys] of [
      [{ guestAddresses: 'pod' }, '"guestAddresses": "pod"'],
      [{ spoofGuard: 'mac' }, '"spoofGuard": "mac"'],
      [ALL, '"guestAddresses": "pod" and "spoofGuard": "addresses"'],
    ] as const) {
      assert.equal(warningsOf(await succeeds('CHECK', callOf(pod, conf))), [
        `Tap "tap0" was wired without ${keys}, before the NAD said so or by an earlier version; restart the VM`,
      ]);
    }
    sameNetns(await dumpNetns(pod), wired);
  }));

test('CHECK of a pod that was wired with the keys demands what ADD made, even if the NAD no longer has them', () =>
  withPod('eth0', async (pod) => {
    await succeeds('ADD', callOf(pod, ALL));
    assert.is((await succeeds('CHECK', callOf(pod, {}))).stderr, '');
    await execa('ip', ['netns', 'exec', pod.name, 'nft', 'flush', 'ruleset']);
    const { code, msg } = await rejects('CHECK', callOf(pod, {}));
    assert.is(code, 106);
    assert.match(msg, 'the nftables table of "tap0" in family netdev is gone or changed; restart the VM');
  }));

test('ADD wires a pod link that has no addresses to tell the guest, and warns', () =>
  withPod('eth0', async (pod) => {
    await pod.ip('addr flush dev eth0');
    const before = await dumpNetns(pod);
    assert.equal(warningsOf(await succeeds('ADD', callOf(pod, { guestAddresses: 'pod' }))), [
      'Pod link "eth0" has no addresses to tell the guest, and with "guestAddresses": "pod" no other server may; ' +
        'add "ipam" to the plugin that creates the link, or remove the key',
    ]);
    await succeeds('DEL', callOf(pod, {}));
    sameNetns(await dumpNetns(pod), before);
  }));

for (const [why, count, reason] of [
  ['no addresses', 0, /^Cannot guard "eth0": it has no addresses that the guest could use; add "ipam"/],
  ['too many addresses', 17, /^Cannot guard "eth0": it has 17 addresses of one family, want at most 16;/],
] as const) {
  test(`ADD rejects a guard of addresses for a pod link with ${why}, and the pod stays as it is`, () =>
    withPod('eth0', async (pod) => {
      await pod.ip('addr flush dev eth0');
      for (let i = 0; i < count; i++) await pod.ip(`addr add 198.51.100.${i + 1}/32 dev eth0`);
      const before = await dumpNetns(pod);
      const { code, msg } = await rejects('ADD', callOf(pod, ALL));
      assert.is(code, 102);
      assert.match(msg, reason);
      sameNetns(await dumpNetns(pod), before);
    }));
}

test('a guard of the greatest number of addresses is wired, and CHECK succeeds', () =>
  withPod('eth0', async (pod) => {
    for (let i = 1; i < 16; i++) {
      await pod.ip(`addr add 198.51.100.${i}/32 dev eth0`);
      await pod.ip(`addr add 2001:db8:7::${i}/128 dev eth0 nodad`);
    }
    const before = await dumpNetns(pod);
    for (const command of ['ADD', 'CHECK', 'ADD', 'CHECK', 'DEL']) await succeeds(command, callOf(pod, ALL));
    sameNetns(await dumpNetns(pod), before);
  }));

test('two attachments of a pod do not need each other, and DEL of one leaves the other whole', () =>
  withPod('eth0', async (pod) => {
    await pod.ip(`link add ${BLUE} type veth peer name host1`);
    await pod.ip('link set host1 up');
    await pod.ip(`link set ${BLUE} up`);
    await pod.ip(`addr add 198.51.100.5/24 dev ${BLUE}`);
    await pod.ip(`addr add 2001:db8:2::5/64 dev ${BLUE} nodad`);
    const before = await dumpNetns(pod);
    const primary = callOf(pod, ALL);
    const blue = { ...callOf(pod, ALL), network: 'blue', ifname: 'net3' };
    for (const [first, second] of [
      [primary, blue],
      [blue, primary],
    ] as const) {
      for (const call of [first, second]) await succeeds('ADD', call);
      for (const call of [first, second]) assert.is((await succeeds('CHECK', call)).stderr, '');
      await succeeds('DEL', first);
      assert.is((await succeeds('CHECK', second)).stderr, '');
      await succeeds('DEL', second);
      sameNetns(await dumpNetns(pod), before);
    }
  }));

test('rules work with the older ingress qdisc, which ADD leaves in its place', () =>
  withPod('eth0', async (pod) => {
    await pod.tc('qdisc add dev eth0 ingress');
    await pod.tc(
      'filter add dev eth0 parent ffff: protocol ip pref 10 u32 match ip dport 9 0xffff flowid 1:1',
    );
    const before = await dumpNetns(pod);
    for (const command of ['ADD', 'CHECK', 'ADD', 'CHECK']) await succeeds(command, callOf(pod, ALL));
    const rules = await pod.tc('filter show dev eth0 ingress');
    assert.match(rules, 'protocol ipv6 pref 65523 u32');
    await succeeds('DEL', callOf(pod, ALL));
    sameNetns(await dumpNetns(pod), before);
  }));

/** A pod whose gateway has a global address, which is that of the other end of the pod link. */
const withRouter = (act: (pod: TestNetns, router: string) => Promise<void>): Promise<void> =>
  withNetns((node) =>
    withPod('eth0', async (pod) => {
      await giveAskedRouter(pod, node);
      await act(pod, JSON.parse(await node.ip('-j link show host0'))[0].address);
    }),
  );

everyWay('ADD finds the link-local address of the gateway, and makes it a neighbour of the tap', () =>
  withRouter(async (pod, mac) => {
    const before = await dumpNetns(pod);
    assert.is((await succeeds('ADD', callOf(pod, ALL))).stderr, '');
    assert.equal(JSON.parse(await pod.ip('-j neigh show dev tap0 nud permanent')), [
      { dst: 'fe80::60:1', lladdr: mac, state: ['PERMANENT'] },
    ]);
    const wired = await dumpNetns(pod);
    await succeeds('ADD', callOf(pod, ALL));
    sameNetns(await dumpNetns(pod), wired);
    await succeeds('CHECK', callOf(pod, ALL));
    await succeeds('DEL', callOf(pod, ALL));
    sameNetns(await dumpNetns(pod), before);
  }),
);

test('ADD finds the gateway in a pod that an ADD has silenced and not wired', () =>
  withRouter(async (pod) => {
    const before = await dumpNetns(pod);
    await succeeds('ADD', callOf(pod, ALL));
    await pod.ip('link del tap0');
    await pod.tc('qdisc del dev eth0 clsact'); // what is left includes the rules of silence
    assert.is((await succeeds('ADD', callOf(pod, ALL))).stderr, '');
    assert.match(await pod.ip('neigh show dev tap0 nud permanent'), /^fe80::60:1 /);
    await succeeds('CHECK', callOf(pod, ALL));
    await succeeds('DEL', callOf(pod, ALL));
    sameNetns(await dumpNetns(pod), before);
  }));

test('ADD does not ask through a pod link that is redirected to a deleted tap, and DEL restores the pod', () =>
  withRouter(async (pod) => {
    const before = await dumpNetns(pod);
    await succeeds('ADD', callOf(pod, ALL));
    await pod.ip('link del tap0');
    const [warning = '', ...others] = warningsOf(await succeeds('ADD', callOf(pod, ALL)));
    assert.match(warning, 'gateway 2001:db8:3::1 of "eth0": a second ADD does not ask; the guest gets no');
    assert.equal(others, []);
    await succeeds('CHECK', callOf(pod, ALL));
    await succeeds('DEL', callOf(pod, ALL));
    sameNetns(await dumpNetns(pod), before);
  }));

test('ADD that does not find the gateway warns, and wires the pod without it', () =>
  withRouter(async (pod) => {
    await pod.ip('link set eth0 addrgenmode none');
    await pod.ip('addr flush dev eth0 scope link');
    const [warning = '', ...others] = warningsOf(await succeeds('ADD', callOf(pod, ALL)));
    assert.match(warning, /^Cannot find the link-local address of gateway 2001:db8:3::1 of "eth0": /);
    assert.equal(others, []);
    assert.is(await pod.ip('-j neigh show dev tap0 nud permanent'), '[]');
    await succeeds('CHECK', callOf(pod, ALL));
  }));

everyWay.run();
