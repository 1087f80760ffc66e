/**
 * Runs ADD and DEL against the real kernel, and makes every step fail: afterwards the netns is as
 * it was before.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silenceTable } from '../../cni/bindings/tap/silence.ts';
import type { Kernel } from '../../cni/kernel/kernel.ts';
import { type Classifiers, THIS_KERNEL } from '../../cni/kernel/redirects.ts';
import { apply, attempt } from '../../cni/plan/apply.ts';
import type { Op, Run } from '../../cni/plan/op.ts';
import { BindingError } from '../../shared/errors.ts';
import type { Classifier } from '../../shared/rtnetlink/filter.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { caught } from '../helpers/caught.ts';
import { add, attach, type Conf, defects, del, withKernel } from '../helpers/pod/attach.ts';
import { dumpNetns, passtSysctls, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';
import { KEY } from '../helpers/pod/seen.ts';

const test = suite('ADD and DEL on a real netns');

/** The gateway in a network like that of Calico, whose routes name its link-local address. */
const ROUTER = 'fe80::1';
const DOWN = 'a veth that is down, as the bridge plugin leaves it with disableContainerInterface';
const isDown = (kind: string): boolean => kind.includes('is down');

/** Pod links as other plugins leave them, and other things that may be in the netns. */
const PODS: Readonly<Record<string, (netns: TestNetns) => Promise<unknown>>> = {
  veth: async () => {},
  'a link with the highest possible index': ({ ip }) => ip('link add last0 index 2147483647 type ifb'),
  macvlan: async ({ ip }) => {
    await ip('link set eth0 name lower0');
    await ip('link set lower0 up');
    await ip('link add eth0 link lower0 mtu 1400 type macvlan mode bridge');
    await ip('link set eth0 addrgenmode none');
    await ip('link set eth0 up');
    await ip('addr add 198.51.100.5/24 dev eth0');
  },
  'macvlan with allmulticast': async (netns) => {
    await PODS['macvlan']?.(netns);
    await netns.ip('link set eth0 allmulticast on');
  },
  [DOWN]: ({ ip }) => ip('link set eth0 down'),
  'a tap that no process has open, and that is down': async ({ ip }) => {
    await ip('link del eth0');
    await ip('tuntap add eth0 mode tap');
  },
  'veth without a queue, as the bridge plugin creates it': ({ ip }) => ip('link set eth0 txqueuelen 0'),
  'veth with a clsact qdisc': ({ tc }) => tc('qdisc add dev eth0 clsact'),
  'veth with an ingress qdisc and a filter': async ({ tc }) => {
    await tc('qdisc add dev eth0 ingress');
    await tc('filter add dev eth0 parent ffff: protocol ip pref 10 u32 match ip dport 67 0xffff flowid 1:1');
  },
  'veth with an egress filter': async ({ tc }) => {
    await tc('qdisc add dev eth0 clsact');
    await tc('filter add dev eth0 egress protocol ip pref 10 u32 match ip dport 67 0xffff flowid 1:1');
  },
  "veth with an alias, which is host-device's state": ({ ip }) => ip('link set eth0 alias ens5f0'),
  'a second pod link': async ({ ip }) => {
    await ip('link add pod16477688c0e type veth peer name host1');
    await ip('link set pod16477688c0e addrgenmode none');
    await ip('link set pod16477688c0e up');
  },
  'veth with guest services': ({ ip }) => ip(`route add default via ${ROUTER} dev eth0`),
  'macvlan with guest services and a guard of addresses': async (netns) => {
    await PODS['macvlan']?.(netns);
    await netns.ip('addr add 2001:db8:2::5/64 dev eth0 nodad');
    await netns.ip(`route add default via ${ROUTER} dev eth0`);
  },
  'veth without a queue, with guest services and a guard of addresses by u32': async ({ ip }) => {
    await ip('link set eth0 txqueuelen 0');
    await ip(`route add default via ${ROUTER} dev eth0`);
  },
  'veth that is down, with a guard of MACs': ({ ip }) => ip('link set eth0 down'),
};

/** Keys of the NAD, and what the kernel may use, of pods that are not wired with the defaults. */
const ASKED: Readonly<Record<string, { readonly conf: Conf; readonly classifiers?: Classifiers }>> = {
  'veth with guest services': { conf: { guestAddresses: 'pod' } },
  'macvlan with guest services and a guard of addresses': {
    conf: { guestAddresses: 'pod', spoofGuard: 'addresses' },
  },
  'veth without a queue, with guest services and a guard of addresses by u32': {
    conf: { guestAddresses: 'pod', spoofGuard: 'addresses' },
    classifiers: { ...THIS_KERNEL, guardForms: ['filters'] },
  },
  'veth that is down, with a guard of MACs': { conf: { spoofGuard: 'mac' } },
};

/**
 * Returns the state of the pod link that ADD must not change; it may add only allmulticast and the
 * ingress qdisc. Leaves out the routes and addresses of a link that ADD sets up, because the kernel
 * adds some for IPv6.
 */
async function podLink(netns: TestNetns, kind: string): Promise<unknown> {
  const { links, addresses, routes4, routes6, neighbours } = await dumpNetns(netns);
  // biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
  const [eth0] = (links as any[]).filter(({ ifname }) => ifname === 'eth0');
  const { ifindex, address, mtu, ifalias, operstate, txqlen, master } = eth0;
  const own = (entries: unknown) =>
    (entries as { ifname?: string; dev?: string }[]).filter((e) => (e.ifname ?? e.dev) === 'eth0');
  // biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
  const addressInfo = own(addresses).map((entry: any) => entry.addr_info);
  const fixed = { ifindex, address, mtu, ifalias, txqlen, master, neighbours };
  return isDown(kind) ? fixed : { ...fixed, operstate, addressInfo, routes: [own(routes4), own(routes6)] };
}

/**
 * Runs ops as the kernel does when it rejects one: it runs the others of the same level, but no
 * further level.
 */
const failingAt =
  (kernel: Kernel, broken: Op | undefined): Run =>
  async (levels, continueOnError) => {
    const last = levels.findIndex((level) => level.some((op) => op === broken));
    if (last < 0) return kernel.run(levels, continueOnError);
    const without = levels.slice(0, last + 1).map((level) => level.filter((op) => op !== broken));
    const outcomes = [...(await kernel.run(without, continueOnError))];
    const failure = new BindingError('KERNEL_REFUSED', 'injected');
    outcomes.splice(broken === undefined ? 0 : levels.flat().indexOf(broken), 0, failure);
    return outcomes;
  };

for (const [kind, prepare] of Object.entries(PODS)) {
  const { conf, classifiers } = ASKED[kind] ?? { conf: {} };
  const addTo = (netns: TestNetns) => add(netns, conf, classifiers);
  const countSteps = (netns: TestNetns) =>
    withKernel(netns, async (kernel) => (await attach(kernel, conf)).steps.length);

  test(`ADD leaves the pod link as it is, and DEL leaves everything as it was: ${kind}`, () =>
    withPod('eth0', async (netns) => {
      await prepare(netns);
      const [before, pod] = [await dumpNetns(netns), await podLink(netns, kind)];
      await addTo(netns);
      assert.equal(await podLink(netns, kind), pod);
      assert.match(await netns.ip('link show dev eth0'), /[<,]UP[,>]/);
      assert.equal(await defects(netns), []);
      const wired = await dumpNetns(netns);
      assert.equal(await addTo(netns), [], 'a second ADD has nothing to do');
      sameNetns(await dumpNetns(netns), wired);
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
      assert.equal(await del(netns), [], 'a second DEL has nothing to do');
    }));

  test(`ADD leaves the netns as it was if any step fails: ${kind}`, () =>
    withPod('eth0', async (netns) => {
      await prepare(netns);
      const [before, sysctls] = [await dumpNetns(netns), await passtSysctls(netns)];
      const count = await countSteps(netns);
      assert.ok(count >= 9, `${count} steps`);
      for (let failing = 0; failing < count; failing++) {
        const failedAt = async (kernel: Kernel) => {
          const { levels, steps } = await attach(kernel, conf);
          const run = failingAt(kernel, steps[failing]?.do);
          const error = await caught(() => apply(levels, run));
          assert.equal([error.message, error.details], ['injected', undefined], `step ${failing}`);
        };
        await withKernel(netns, failedAt, classifiers);
        sameNetns(await dumpNetns(netns), before, `after step ${failing}`);
        assert.equal(await passtSysctls(netns), sysctls, `after step ${failing}`);
      }
    }));

  test(`DEL restores and ADD completes after the process was killed after any step: ${kind}`, () =>
    withPod('eth0', async (netns) => {
      await prepare(netns);
      const before = await dumpNetns(netns);
      const count = await countSteps(netns);
      for (let done = 0; done <= count; done++) {
        const runSome = async (kernel: Kernel) => {
          const ops = (await attach(kernel, conf)).steps.slice(0, done).map((step) => step.do);
          assert.equal(await attempt(ops, kernel.run), []);
        };
        const crash = () => withKernel(netns, runSome, classifiers);
        await crash();
        await del(netns);
        sameNetns(await dumpNetns(netns), before, `DEL after ${done} steps`);
        await crash();
        await addTo(netns);
        assert.equal(await defects(netns), [], `ADD after ${done} steps`);
        await del(netns);
        sameNetns(await dumpNetns(netns), before, `ADD and DEL after ${done} steps`);
      }
    }));
}

for (const [why, damage, found] of [
  [
    'the tap is deleted',
    'ip link del tap0',
    ['tap "tap0" is gone', '"eth0" is redirected to a link that is gone instead of "tap0"'],
  ],
  ['the tap is set down', 'ip link set tap0 down', ['tap "tap0" is down']],
  ['the mtu of the tap is changed', 'ip link set tap0 mtu 1000', ['tap "tap0" has mtu 1000 instead of 1450']],
  [
    'the redirect of the pod link is deleted',
    'tc filter del dev eth0 ingress',
    ['"eth0" has no redirect to "tap0"'],
  ],
  [
    "the pod link's qdisc is deleted",
    'tc qdisc del dev eth0 clsact',
    ['"eth0" has no clsact qdisc, so no redirect to "tap0"'],
  ],
  [
    "the tap's qdisc is deleted",
    'tc qdisc del dev tap0 clsact',
    ['"tap0" has no clsact qdisc, so no redirect to "eth0"'],
  ],
] as const) {
  test(`CHECK names the damage, ADD repairs it, and DEL restores the netns when ${why}`, () =>
    withPod('eth0', async (netns) => {
      const before = await dumpNetns(netns);
      await add(netns);
      const [program, ...words] = damage.split(' ');
      await (program === 'ip' ? netns.ip : netns.tc)(words.join(' '));
      assert.equal(await defects(netns), found);
      await add(netns);
      assert.equal(await defects(netns), []);
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
    }));

  test(`DEL restores the netns without a repair by ADD when ${why}`, () =>
    withPod('eth0', async (netns) => {
      const before = await dumpNetns(netns);
      await add(netns);
      const [program, ...words] = damage.split(' ');
      await (program === 'ip' ? netns.ip : netns.tc)(words.join(' '));
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
    }));
}

for (const [why, damage] of [
  ['the tables are deleted', 'flush ruleset'],
  ['a table of one family is deleted', `delete table arp ${silenceTable(KEY)}`],
  ['a chain is emptied', `flush chain inet ${silenceTable(KEY)} output`],
] as const) {
  const nft = ({ name }: TestNetns, words: string) =>
    execa('ip', ['netns', 'exec', name, 'nft', ...words.split(' ')]);
  test(`CHECK reports lost silence, ADD repairs it, and DEL restores with or without a repair, when ${why}`, () =>
    withPod('eth0', async (netns) => {
      const before = await dumpNetns(netns);
      await add(netns);
      const wired = await dumpNetns(netns);
      await nft(netns, damage);
      assert.match(
        (await defects(netns)).join(),
        /^the pod's own stack is not silenced on "eth0" any more: /,
      );
      await add(netns);
      sameNetns(await dumpNetns(netns), wired);
      await nft(netns, damage);
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
    }));
}

test('tables of other programs are left alone, whatever their names', () =>
  withPod('eth0', async (netns) => {
    const table = `inet ${silenceTable({ containerId: 'other', ifname: 'net1' })}`;
    const foreign = `add table ${table}; add chain ${table} c { type filter hook output priority -400; }`;
    await execa('ip', ['netns', 'exec', netns.name, 'nft', foreign]);
    const before = await dumpNetns(netns);
    await add(netns);
    await del(netns);
    sameNetns(await dumpNetns(netns), before);
  }));

test('DEL deletes the nftables rules if the tap and the filters are gone', () =>
  withPod('eth0', async (netns) => {
    const before = await dumpNetns(netns);
    await add(netns);
    await netns.ip('link del tap0');
    await netns.tc('qdisc del dev eth0 clsact');
    assert.equal(
      (await del(netns)).map(({ op }) => op),
      ['deleteSilence'],
    );
    sameNetns(await dumpNetns(netns), before);
  }));

test('an error about a pod link that cannot be set up gives a remedy, and ADD undoes everything', () =>
  withPod('host1', async (netns) => {
    await netns.ip('link set host1 address 02:00:00:00:00:11');
    await netns.ip('link add eth0 link host1 address 02:00:00:00:00:11 type macvlan mode bridge');
    const before = await dumpNetns(netns);
    const error = await caught(() => add(netns));
    assert.match(
      error.message,
      /^Cannot set "eth0" up: .+; check that its lower link is up, and that no other link on it has the same MAC$/,
    );
    assert.equal([error.code, error.details], ['KERNEL_REFUSED', undefined]);
    sameNetns(await dumpNetns(netns), before);
  }));

for (const [found, isUpAfter] of [
  ['up', true],
  ['down', false],
] as const) {
  test(`CHECK names a pod link that went down, ADD sets it up, and DEL leaves it ${found} as ADD found it`, () =>
    withPod('eth0', async (netns) => {
      const isUp = async () => /[<,]UP[,>]/.test(await netns.ip('link show dev eth0'));
      await netns.ip(`link set eth0 ${found}`);
      await add(netns);
      await netns.ip('link set eth0 down');
      assert.equal(await defects(netns), [
        'pod link "eth0" is down, so that no frame passes; set it up: ip link set eth0 up',
      ]);
      await add(netns);
      assert.equal(await defects(netns), []);
      assert.ok(await isUp());
      await del(netns);
      assert.is(await isUp(), isUpAfter);
    }));
}

test('DEL keeps a filter that another program added after ADD, and its qdisc', () =>
  withPod('eth0', async (netns) => {
    await add(netns);
    await netns.tc('filter add dev eth0 ingress protocol ip pref 10 u32 match ip dport 67 0xffff flowid 1:1');
    await del(netns);
    assert.match(await netns.tc('qdisc show dev eth0 ingress'), /clsact/);
    assert.match(await netns.tc('filter show dev eth0 ingress'), /pref 10/);
    assert.not.match(await netns.tc('filter show dev eth0 ingress'), /mirred/);
  }));

test("ADD rolls back when the kernel rejects a request, and its error has the kernel's message", () =>
  withPod('eth0', async (netns) => {
    await netns.ip('link set eth0 mtu 65535'); // the maximum of a veth, which a tap does not support
    const before = await dumpNetns(netns);
    const error = await caught(() => add(netns));
    assert.is(
      error.message,
      'Cannot set mtu 65535 on "tap0": mtu greater than device maximum (Invalid argument)',
    );
    sameNetns(await dumpNetns(netns), before);
  }));

for (const mtu of [68, 1000, 1279, 1280]) {
  test(`ADD gives the tap an mtu of ${mtu}, even if IPv6 requires more`, () =>
    withPod('eth0', async (netns) => {
      const before = await dumpNetns(netns);
      await add(netns, { mtu });
      const [tap0] = JSON.parse(await netns.ip('-j link show dev tap0'));
      assert.is(tap0.mtu, mtu);
      assert.is(await netns.ip('-6 addr show dev tap0'), '');
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
      await add(netns, { mtu, guestAddresses: 'pod', spoofGuard: 'addresses' });
      assert.equal(await defects(netns), []);
      assert.is((await netns.ip('-6 addr show dev tap0')) !== '', mtu >= 1280);
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
    }));
}

const DPORT = 'u32 match ip dport 67 0xffff flowid 1:1';
test("another program's filter at the pref that tc chooses still sees every frame", () =>
  withPod('eth0', async (netns) => {
    await netns.tc('qdisc add dev eth0 clsact');
    await netns.tc(
      'filter add dev eth0 ingress protocol ip u32 match u32 0 0 action mirred egress mirror dev lo continue',
    );
    await add(netns);
    // A broadcast from the other end of the pair arrives on eth0 without a neighbour.
    await netns.ip('addr add 198.51.100.1/24 dev host0');
    await execa(
      'ip',
      ['netns', 'exec', netns.name, 'busybox', 'ping', '-c', '2', '-W', '1', '-I', 'host0', '198.51.100.255'],
      { reject: false },
    );
    assert.match(
      await netns.tc('-s filter show dev eth0 ingress'),
      /Mirror to device lo[\s\S]*Sent [1-9]\d* bytes/,
    );
  }));

for (const direction of ['ingress', 'egress']) {
  test(`another program's filter at Tapwire's pref that was added later survives DEL: ${direction}`, () =>
    withPod('eth0', async (netns) => {
      await add(netns);
      await netns.tc(`filter add dev eth0 ${direction} protocol all pref 65535 ${DPORT}`);
      await del(netns);
      const filters = await netns.tc(`filter show dev eth0 ${direction}`);
      assert.match(filters, /match 00000043\/0000ffff/);
      assert.not.match(filters, /mirred/);
    }));
}

test("another program's filter in the place of Tapwire's is never overwritten", () =>
  withPod('eth0', async (netns) => {
    await netns.tc('qdisc add dev eth0 clsact');
    await netns.tc(`filter add dev eth0 ingress protocol all pref 65535 handle 800::1 ${DPORT}`);
    const before = await dumpNetns(netns);
    assert.is((await caught(() => add(netns))).code, 'LINK_EXISTS');
    const [forced] = await withKernel(netns, (kernel) =>
      kernel.run([[{ op: 'addRedirect', from: 'eth0', to: 'host0', cookie: '0'.repeat(32) }]], true),
    );
    assert.is((forced as BindingError).code, 'KERNEL_REFUSED');
    sameNetns(await dumpNetns(netns), before);
  }));

test('ADD rejects an ingress qdisc that shares its filters with other links', () =>
  withPod('eth0', async (netns) => {
    await netns.tc('qdisc add dev eth0 ingress_block 22 clsact');
    const before = await dumpNetns(netns);
    assert.is((await caught(() => add(netns))).code, 'LINK_UNSUPPORTED');
    sameNetns(await dumpNetns(netns), before);
  }));

test('DEL does not delete a veth that carries the record of a tap', () =>
  withPod('eth0', async (netns) => {
    const record =
      'tapwire/1 container=pod1 ifname=net1 binding=tap link=eth0 mtu=1450 clsact=1 allmulti=0 noqueue=0';
    await netns.ip('link add veth9 type veth peer name veth8');
    await execa('ip', ['-n', netns.name, 'link', 'set', 'veth9', 'alias', record]);
    const before = await dumpNetns(netns);
    assert.equal(await del(netns), []);
    sameNetns(await dumpNetns(netns), before);
  }));

test('ADD rejects a second pod link for the same attachment', () =>
  withPod('eth0', async (netns) => {
    await netns.ip('link add eth1 type veth peer name host1');
    await add(netns);
    const wired = await dumpNetns(netns);
    const error = await caught(() => add(netns, { podLink: 'eth1' }));
    assert.is(error.message, 'Cannot add tap "tap0" for "eth1": it exists for "eth0"; DEL it first');
    sameNetns(await dumpNetns(netns), wired);
  }));

test('ADD closes the descriptor of a tap once it is persistent, so that QEMU can attach', () =>
  withPod('eth0', (netns) =>
    withKernel(netns, async (kernel) => {
      await apply((await attach(kernel)).levels, kernel.run);
      // Attach a second queue to a single-queue tap: the tap is busy while any process has it open.
      // A thread closes it, which takes a moment (RCU).
      const isFree = () =>
        netns.ip('tuntap del dev tap0 mode tap').then(
          () => true,
          () => false,
        );
      await until('the tap can be attached to', isFree);
      assert.not.match(await netns.ip('link show'), /tap0/);
    }),
  ));

test('ADD reports a kernel without any of the classifiers before it redirects the pod link', () =>
  withPod('eth0', async (netns) => {
    const before = await dumpNetns(netns);
    const touched: Op[] = [];
    const act = async (kernel: Kernel) => {
      const run: Run = async (levels, continueOnError) => {
        const outcomes = await kernel.run(levels, continueOnError);
        touched.push(...levels.flat().filter((_, i) => outcomes[i] === 'done'));
        return outcomes;
      };
      await apply((await attach(kernel)).levels, run);
    };
    const missing = { ...THIS_KERNEL, candidates: ['absent' as Classifier] };
    const error = await caught(() => withKernel(netns, act, missing));
    assert.is(error.code, 'KERNEL_UNSUPPORTED');
    assert.is(
      error.message,
      'Cannot redirect "tap0" to "eth0": TC classifier not found (No such file or directory); ' +
        'this kernel needs CONFIG_NET_CLS_MATCHALL or CONFIG_NET_CLS_U32, and CONFIG_NET_ACT_MIRRED',
    );
    assert.equal(
      touched.filter((op) => op.op === 'addRedirect' && op.from === 'eth0'),
      [],
    );
    sameNetns(await dumpNetns(netns), before);
  }));

test('undo steps succeed if the tap is gone already', () =>
  withPod('eth0', async (netns) => {
    const before = await dumpNetns(netns);
    await withKernel(netns, async (kernel) => {
      const { levels, steps } = await attach(kernel);
      const run: Run = async (ops, continueOnError) => {
        const last = steps.at(-1)?.do;
        if (!ops.flat().some((op) => op === last)) return kernel.run(ops, continueOnError);
        const outcomes = await kernel.run(ops.slice(0, -1), continueOnError);
        await netns.ip('link del tap0');
        return [...outcomes, ...(await kernel.run(ops.slice(-1), continueOnError))];
      };
      const error = await caught(() => apply(levels, run));
      assert.match(error.message, /^Cannot redirect "tap0" to "eth0": No such device$/);
      sameNetns(await dumpNetns(netns), before);
    });
  }));

test.run();
