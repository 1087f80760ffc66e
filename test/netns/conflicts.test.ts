/**
 * Filters and programs of others at the ingress of a pod link. Each is classified, and frames show
 * that the classification is right: a deadly one really keeps frames from the guest, a harmless one
 * really lets them pass.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, cni, environmentOf, netconf } from '../helpers/plugin/cni.ts';
import { callFailing } from '../helpers/plugin/strace.ts';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';
import { type Arrived, arriving, attach, DEPENDING, detachTcx, returning } from '../helpers/pod/programs.ts';

const test = suite('filters and programs of others');

const POD_MAC = '02:00:00:00:00:10';
const ALL: Arrived = { ipv4: 5, arp: 5, ipv6: 5, other: 5 };
const NONE: Arrived = { ipv4: 0, arp: 0, ipv6: 0, other: 0 };

interface Pod {
  readonly netns: TestNetns;
  readonly call: (command: string) => Promise<Answer>;
  /** The frames that reach the guest, and how many the test waits for. */
  readonly arriving: (wanted?: Arrived) => Promise<Arrived>;
}

function withVeth<T>(act: (pod: Pod) => Promise<T>): Promise<T> {
  return withNetns((outside) =>
    withNetns(async (netns) => {
      const link = `eth0 address ${POD_MAC} type veth peer name host0 netns ${outside.name}`;
      await netns.ip(`link add ${link}`);
      await outside.ip('link set host0 up');
      await netns.ip('link set eth0 up');
      const conf = { prevResult: { cniVersion: '1.0.0' } };
      return act({
        netns,
        call: (command) => cni(command, { netns: netns.path, network: 'default', conf }),
        arriving: ({ ipv4, arp, ipv6, other } = ALL) =>
          arriving(
            { netns, ifname: 'tap0' },
            { netns: outside, ifname: 'host0' },
            POD_MAC,
            ipv4 + arp + ipv6 + other,
          ),
      });
    }),
  );
}

const succeeds = ({ exitCode, stdout }: Answer): void => assert.is(exitCode, 0, stdout);

/** Adds something at the ingress of eth0, and returns a function that removes it. */
type Put = (netns: TestNetns) => Promise<() => Promise<unknown>>;

const filter =
  (words: string): Put =>
  async ({ tc }) => {
    // DEL removes ADD's own qdisc.
    await tc('qdisc add dev eth0 clsact').catch(() => {});
    await tc(`filter add dev eth0 ingress pref 10 ${words}`);
    return () => tc('filter del dev eth0 ingress pref 10');
  };

const classic =
  (value: number, words: string): Put =>
  async (netns) => {
    const { tc } = netns;
    await tc('qdisc add dev eth0 clsact').catch(() => {});
    // One argument with spaces in it, which tc() would split.
    const bytecode = `1,6 0 0 ${value >>> 0}`;
    const before = ['-n', netns.name, 'filter', 'add', 'dev', 'eth0', 'ingress', 'pref', '10'];
    await execa('tc', [...before, 'protocol', 'all', 'bpf', 'bytecode', bytecode, ...words.split(' ')]);
    return () => tc('filter del dev eth0 ingress pref 10');
  };

const ebpf =
  (instructions: string, flags: number): Put =>
  async (netns) => {
    await netns.tc('qdisc add dev eth0 clsact').catch(() => {});
    await attach(netns, 'tc', 'eth0', instructions, '10', `${flags}`);
    return () => netns.tc('filter del dev eth0 ingress pref 10');
  };

const tcx =
  (instructions: string): Put =>
  async (netns) => {
    const id = await attach(netns, 'tcx', 'eth0', instructions);
    return () => detachTcx(netns, 'eth0', id);
  };

const xdp =
  (instructions: string): Put =>
  async (netns) => {
    await attach(netns, 'xdp', 'eth0', instructions);
    return () => netns.ip('link set eth0 xdp off');
  };

const EVERYTHING = 'u32 match u32 0 0';
const MIRROR = 'action mirred egress mirror dev lo';
const withoutIpv4 = { ...ALL, ipv4: 0 };

for (const [why, put, arrived, what] of [
  ['u32 with a class id', filter(`protocol all ${EVERYTHING} flowid 1:1`), NONE, 'a u32 filter at pref 10'],
  [
    'u32 for IPv4',
    filter(`protocol ip ${EVERYTHING} flowid 1:1`),
    withoutIpv4,
    'a u32 filter at pref 10 for IPv4 frames',
  ],
  [
    'u32 for ARP',
    filter(`protocol arp ${EVERYTHING} flowid 1:1`),
    { ...ALL, arp: 0 },
    'a u32 filter at pref 10 for ARP frames',
  ],
  [
    'a mirror that ends in pipe',
    filter(`protocol all ${EVERYTHING} ${MIRROR}`),
    NONE,
    'a u32 filter at pref 10',
  ],
  [
    'a mirror that goes to another chain',
    filter(`protocol all ${EVERYTHING} ${MIRROR} goto chain 3`),
    NONE,
    'a u32 filter at pref 10',
  ],
  [
    'a redirect',
    filter(`protocol all ${EVERYTHING} action mirred egress redirect dev lo`),
    NONE,
    'a u32 filter at pref 10',
  ],
  ['classic BPF that matches', classic(-1, 'flowid 1:1'), NONE, 'a bpf filter at pref 10'],
  ...[0, 2, 4, 7, 8].map(
    (value) =>
      [`classic BPF direct-action ${value}`, classic(value, 'da'), NONE, 'a bpf filter at pref 10'] as const,
  ),
  ...[0, 2, 4, 7, 8].map(
    (value) =>
      [
        `eBPF direct-action ${value}`,
        ebpf(returning(value), 1),
        NONE,
        /^a bpf filter at pref 10 with program \d+ "tapwire_test"$/,
      ] as const,
  ),
  [
    'eBPF that matches',
    ebpf(returning(1), 0),
    NONE,
    /^a bpf filter at pref 10 with program \d+ "tapwire_test"$/,
  ],
  ...[0, 2, 7].map(
    (value) => [`TCX ${value}`, tcx(returning(value)), NONE, /^the TCX program \d+ "tapwire_test"$/] as const,
  ),
  ...[0, 1, 3, 4, 5].map(
    (value) => [`XDP ${value}`, xdp(returning(value)), NONE, /^the XDP program \d+ "tapwire_test"$/] as const,
  ),
] as const satisfies readonly (readonly [string, Put, Arrived, string | RegExp])[]) {
  test(`ADD rejects ${why} as deadly, CHECK names it, and the guest misses frames`, () =>
    withVeth(async ({ netns, call, arriving }) => {
      const isNamed = (text: string, before: string, after: string) => {
        const name = text.slice(text.indexOf(before) + before.length, text.lastIndexOf(after));
        assert.match(text, before);
        if (typeof what === 'string') assert.is(name, what);
        else assert.match(name, what);
      };
      succeeds(await call('ADD'));
      assert.equal(await arriving(), ALL, 'before');
      const remove = await put(netns);
      assert.equal(await arriving(arrived), arrived, 'with it');
      const check = await call('CHECK');
      assert.is(check.exitCode, 1);
      isNamed(check.json.msg, '"eth0" has ', ' that takes its frames');
      await remove();
      succeeds(await call('CHECK'));
      assert.equal(await arriving(), ALL, 'after');
      succeeds(await call('DEL'));

      const removeAgain = await put(netns);
      const add = await call('ADD');
      assert.is(add.exitCode, 1, 'ADD');
      if (why === 'a redirect')
        isNamed(add.json.msg, 'redirected to "lo" by ', " that is not this attachment's");
      else isNamed(add.json.msg, 'to "eth0": ', ' keeps its frames from the guest');
      assert.not.match(await netns.ip('link'), 'tap0');
      await removeAgain();
      succeeds(await call('ADD'));
      assert.equal(await arriving(), ALL, 'after ADD');
    }));
}

for (const [why, put] of [
  ['u32 without action and class id', filter(`protocol all ${EVERYTHING}`)],
  ['a mirror that continues', filter(`protocol all ${EVERYTHING} ${MIRROR} continue`)],
  ['classic BPF that matches nothing', classic(0, 'flowid 1:1')],
  ...[-1, 1, 3, 5, 6].map((value) => [`classic BPF direct-action ${value}`, classic(value, 'da')] as const),
  ...[-1, 1, 3, 5].map((value) => [`eBPF direct-action ${value}`, ebpf(returning(value), 1)] as const),
  ['eBPF that matches nothing', ebpf(returning(0), 0)],
  ...[-1, 1, 3, 4, 8].map((value) => [`TCX ${value}`, tcx(returning(value))] as const),
  ['XDP_PASS', xdp(returning(2))],
] as const satisfies readonly (readonly [string, Put])[]) {
  test(`ADD and CHECK silently accept ${why} as harmless, and the guest gets every frame`, () =>
    withVeth(async ({ netns, call, arriving }) => {
      const remove = await put(netns);
      const add = await call('ADD');
      succeeds(add);
      assert.is(add.stderr, '');
      assert.equal(await arriving(), ALL);
      succeeds(await call('CHECK'));
      await remove();
      succeeds(await call('DEL'));
    }));
}

for (const [why, put, what, arrived = ALL] of [
  [
    'u32 for DHCP',
    filter('protocol ip u32 match ip dport 67 0xffff flowid 1:1'),
    'a u32 filter at pref 10 for IPv4 frames',
  ],
  [
    'u32 for IPv6',
    filter(`protocol ipv6 ${EVERYTHING} flowid 1:1`),
    'a u32 filter at pref 10 for IPv6 frames',
    { ...ALL, ipv6: 0 },
  ],
  [
    'u32 for VLAN tags',
    filter(`protocol 802.1q ${EVERYTHING} flowid 1:1`),
    'a u32 filter at pref 10 for 0x8100 frames',
  ],
  [
    'an empty u32 key past the end of the frame',
    filter(`protocol all ${EVERYTHING} at 200 flowid 1:1`),
    'a u32 filter at pref 10',
  ],
  [
    'eBPF that depends on the frame',
    ebpf(DEPENDING, 1),
    'a bpf filter at pref 10 with program \\d+ "tapwire_test"',
  ],
  ['TCX that depends on the frame', tcx(DEPENDING), 'the TCX program \\d+ "tapwire_test"'],
] as readonly (readonly [string, Put, string, Arrived?])[]) {
  test(`ADD warns of ${why} as unknown and wires, and CHECK succeeds`, () =>
    withVeth(async ({ netns, call, arriving }) => {
      const remove = await put(netns);
      const add = await call('ADD');
      succeeds(add);
      const { level, message } = JSON.parse(add.stderr);
      assert.is(level, 'warn');
      assert.match(message, new RegExp(`^"eth0" has ${what}, which may keep frames from the guest; `));
      assert.equal(await arriving(arrived), arrived);
      succeeds(await call('CHECK'));
      await remove();
      succeeds(await call('DEL'));
    }));
}

test("a filter that is added later without a pref runs before Tapwire's and still sees every frame", () =>
  withVeth(async ({ netns, call, arriving }) => {
    succeeds(await call('ADD'));
    await netns.tc(`filter add dev eth0 ingress protocol all ${EVERYTHING} ${MIRROR} continue`);
    assert.equal(await arriving(), ALL);
    const filters = await netns.tc('-s filter show dev eth0 ingress');
    assert.match(filters, /pref 65534 u32[\s\S]*Mirror to device lo\) continue[\s\S]*?Sent [1-9]\d* bytes/);
    succeeds(await call('CHECK'));
  }));

test("a program at the tap's own ingress is found as well", () =>
  withVeth(async ({ netns, call }) => {
    succeeds(await call('ADD'));
    const id = await attach(netns, 'tcx', 'tap0', returning(0));
    assert.match(
      (await call('CHECK')).json.msg,
      `"tap0" has the TCX program ${id} "tapwire_test" that takes its frames`,
    );
    await detachTcx(netns, 'tap0', id);
    succeeds(await call('CHECK'));
  }));

for (const error of ['EPERM', 'EINVAL', 'ENOSYS']) {
  test(`ADD succeeds if bpf(2) fails with ${error} and programs cannot be read`, () =>
    withVeth(async ({ netns }) => {
      await attach(netns, 'tcx', 'eth0', returning(0));
      const call = { netns: netns.path, network: 'default' };
      const inject = ['-e', 'trace=bpf', '-e', `inject=bpf:error=${error}`];
      const add = await callFailing(inject, environmentOf('ADD', call), JSON.stringify(netconf(call)));
      succeeds(add);
      assert.is(add.stderr.replace(/^strace: .*$/gm, '').trim(), '');
    }));
}

test('programs of other links are not classified', () =>
  withVeth(async ({ netns, call, arriving }) => {
    await netns.ip('link add eth1 type veth peer name host1');
    await attach(netns, 'tcx', 'eth1', returning(2));
    await attach(netns, 'xdp', 'eth1', returning(1));
    const add = await call('ADD');
    succeeds(add);
    assert.is(add.stderr, '');
    assert.equal(await arriving(), ALL);
    succeeds(await call('CHECK'));
  }));

test.run();
