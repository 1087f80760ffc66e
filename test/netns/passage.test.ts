/**
 * Takes away each thing that ADD makes for guest services and the spoof guard: CHECK names it, ADD
 * makes it again, and DEL leaves the netns as it was in any case.
 */
import { closeSync, openSync } from 'node:fs';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silenceTable } from '../../cni/bindings/tap/silence.ts';
import { type Classifiers, THIS_KERNEL } from '../../cni/kernel/redirects.ts';
import { isRuleOf, ruleOwner } from '../../cni/plan/rule-set.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { type Filter, filterDeletion } from '../../shared/rtnetlink/filter.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { caught } from '../helpers/caught.ts';
import { add, type Conf, defects, del, withKernel } from '../helpers/pod/attach.ts';
import { withFrames } from '../helpers/pod/frames.ts';
import {
  dumpNetns,
  passtSysctls,
  sameNetns,
  setPasstSysctls,
  type TestNetns,
  withPod,
} from '../helpers/pod/netns.ts';
import { KEY } from '../helpers/pod/seen.ts';

const test = suite('guest services and spoof guard on a real netns');

const ALL = { guestAddresses: 'pod', spoofGuard: 'addresses' };
const TABLE = silenceTable(KEY);

/** A pod like those of Calico: the route names the link-local address of the gateway. */
const withDualStackPod = (act: (netns: TestNetns) => Promise<void>): Promise<void> =>
  withPod('eth0', async (netns) => {
    await netns.ip('route add default via fe80::1 dev eth0');
    await act(netns);
  });

const run = async ({ name }: TestNetns, ...words: readonly string[]): Promise<string> =>
  (await execa('ip', ['netns', 'exec', name, ...words])).stdout;

/**
 * The state of a netns without what shows in which order things were added: numbers of hash tables
 * of u32 and of actions, and the order of nftables tables. Without MACs, which a tap has by chance.
 */
async function sorted(netns: TestNetns): Promise<Readonly<Record<string, unknown>>> {
  const { links, filters, nftables, ...rest } = await dumpNetns(netns);
  const parsed = (value: unknown, pattern: RegExp, by: string) =>
    JSON.parse(JSON.stringify(value).replace(pattern, by));
  return {
    ...rest,
    links: parsed(links, /"address":"[^"]*"/g, '"address":""'),
    filters: parsed(filters, /(fh|ht|index) [0-9a-f]+(?=[: ])/g, ''),
    nftables: `${nftables}\n`.split(/^(?=table )/m).sort(),
  };
}

/** Filters of the attachment, but for the redirects. */
const rulesIn = (netns: TestNetns): Promise<readonly Filter[]> =>
  withKernel(netns, async (kernel) => {
    const { filters } = await kernel.observe();
    return filters.filter((filter) => isRuleOf(filter, ruleOwner(KEY)));
  });

async function deleteFilter({ path }: TestNetns, filter: Filter): Promise<void> {
  const fd = openSync(path, 'r');
  const rtnetlink = new Rtnetlink(fd);
  try {
    const deletion = { part: 'change', requests: [filterDeletion(filter)] } as const;
    assert.equal(await rtnetlink.run([deletion], false), [['done']]);
  } finally {
    await rtnetlink.close();
    closeSync(fd);
  }
}

const RESTART = 'restart the VM, whose ADD adds what is missing';
/** What CHECK says of a filter of the tap, or of the pod link. */
const changed = ({ ifindex }: Filter, pod: number, of: string, state: 'changed' | 'gone') =>
  ifindex === pod
    ? `the filters of isolation from foreign servers on "eth0" are ${state}; ${RESTART}`
    : `the filters of ${of} on "tap0" are ${state}; ${RESTART}`;

const FORMS: readonly (readonly [why: string, conf: Conf, of: string, classifiers?: Classifiers])[] = [
  ['guest services', { guestAddresses: 'pod' }, 'guest services'],
  ['a guard of MACs', { spoofGuard: 'mac' }, 'the spoof guard'],
  [
    'a guard of MACs by u32',
    { spoofGuard: 'mac' },
    'the spoof guard',
    { ...THIS_KERNEL, guardForms: ['filters'] },
  ],
  ['guest services and a guard of addresses', ALL, 'the spoof guard'],
  [
    'guest services and a guard of addresses by u32',
    ALL,
    'the spoof guard',
    { ...THIS_KERNEL, guardForms: ['filters'] },
  ],
];
for (const [why, conf, of, classifiers] of FORMS) {
  test(`CHECK names the loss of each filter, and ADD adds it again: ${why}`, () =>
    withDualStackPod(async (netns) => {
      const before = await dumpNetns(netns);
      await add(netns, conf, classifiers);
      const wired = await sorted(netns);
      const [{ ifindex: pod }] = JSON.parse(await netns.ip('-j link show eth0'));
      const filters = await rulesIn(netns);
      assert.ok(filters.length > 0);
      for (const { pref, handle, ifindex } of filters) {
        const found = (await rulesIn(netns)).find(
          (one) => one.ifindex === ifindex && one.pref === pref && (one.handle & 0xfff) === (handle & 0xfff),
        );
        assert.ok(found, `filter ${handle} at pref ${pref} is there again`);
        await deleteFilter(netns, found);
        const isOnly = filters.filter((one) => one.ifindex === ifindex).length === 1;
        assert.equal(await defects(netns), [changed(found, pod, of, isOnly ? 'gone' : 'changed')]);
        await add(netns, conf, classifiers);
        assert.equal(await defects(netns), []);
      }
      sameNetns(await sorted(netns), wired);
      const [first] = await rulesIn(netns);
      assert.ok(first);
      await deleteFilter(netns, first);
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
    }));
}

interface NftRule {
  readonly family: string;
  readonly chain: string;
  readonly handle: number;
}

/** Rules of the attachment's tables. */
async function nftRules(netns: TestNetns): Promise<readonly NftRule[]> {
  const { nftables } = JSON.parse(await run(netns, 'nft', '-j', '-a', 'list', 'ruleset'));
  return nftables.flatMap(({ rule }: { rule?: NftRule }) => rule ?? []);
}

const OF_FLOOR = `the nftables table of "tap0" in family netdev is gone or changed; ${RESTART}`;
const OF_SILENCE = `the pod's own stack is not silenced on "eth0" any more: nftables tables "${TABLE}" are gone or changed; restart the VM to have them added again`;

for (const [why, conf, count] of [
  ['guest services', { guestAddresses: 'pod' }, 7 + 3 + 2 + 7 + 3],
  ['a guard', { spoofGuard: 'mac' }, 1 + 4],
] as const) {
  test(`CHECK names the loss of each nftables rule, and ADD adds it again: ${why}`, () =>
    withDualStackPod(async (netns) => {
      const before = await dumpNetns(netns);
      await add(netns, conf);
      const wired = await sorted(netns);
      const rules = await nftRules(netns);
      assert.is(rules.length, count);
      for (let i = 0; i < count; i++) {
        const { family = '', chain = '', handle } = (await nftRules(netns))[i] ?? {};
        await run(netns, 'nft', 'delete', 'rule', family, TABLE, chain, 'handle', `${handle}`);
        const want = family === 'netdev' ? OF_FLOOR : OF_SILENCE;
        assert.equal(await defects(netns), [want], `rule ${i}, of ${family} ${chain}`);
        await add(netns, conf);
        assert.equal(await defects(netns), []);
      }
      sameNetns(await sorted(netns), wired);
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
    }));
}

const lost = (address: string) => `"tap0" has lost ${address}, at which the guest is served; ${RESTART}`;
const PORT = 'net.ipv4.ip_unprivileged_port_start';
const PING = 'net.ipv4.ping_group_range';
for (const [why, damage, found] of [
  ['the address of DHCPv4 is deleted', 'ip addr del 169.254.75.10/32 dev tap0', [lost('169.254.75.10')]],
  ['the address of DHCPv6 is deleted', 'ip addr del fe80::75:10/64 dev tap0', [lost('fe80::75:10')]],
  [
    'the first unprivileged port is set',
    'echo 68 1 0',
    [`${PORT} is "68" instead of "67"`, `${PING} is "1 0" instead of "107 107"`],
  ],
  ['the groups that may ping are narrowed', 'echo 67 0 106', [`${PING} is "0 106" instead of "0 107"`]],
  ['the table of family netdev is deleted', `nft delete table netdev ${TABLE}`, [OF_FLOOR]],
  ['the table of family inet is deleted', `nft delete table inet ${TABLE}`, [OF_SILENCE]],
  ['the table of family arp is deleted', `nft delete table arp ${TABLE}`, [OF_SILENCE]],
  ['all tables are deleted', 'nft flush ruleset', [OF_SILENCE, OF_FLOOR]],
] as const) {
  test(`CHECK names the damage, ADD repairs it, and DEL restores the netns with or without that, when ${why}`, () =>
    withDualStackPod(async (netns) => {
      const before = await dumpNetns(netns);
      await add(netns, ALL);
      const [wired, sysctls] = [await sorted(netns), await passtSysctls(netns)];
      const [program = '', ...words] = damage.split(' ');
      const hurt = () =>
        program === 'echo' ? setPasstSysctls(netns, words.map(Number)) : run(netns, program, ...words);
      await hurt();
      assert.equal(await defects(netns), found);
      await add(netns, ALL);
      assert.equal(await defects(netns), []);
      sameNetns(await sorted(netns), wired);
      if (program !== 'echo') assert.equal(await passtSysctls(netns), sysctls);
      await hurt();
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
    }));
}

test('DEL deletes the rules of the pod link and all tables if the tap is gone', () =>
  withDualStackPod(async (netns) => {
    const before = await dumpNetns(netns);
    await add(netns, ALL);
    await netns.ip('link del tap0');
    assert.equal(
      (await del(netns)).map(({ op }) => op),
      ['deleteRules', 'deleteRedirect', 'deleteClsact', 'deleteFloor', 'deleteSilence'],
    );
    sameNetns(await dumpNetns(netns), before);
  }));

test('DEL deletes the floor and the silence if nothing else is left', () =>
  withDualStackPod(async (netns) => {
    const before = await dumpNetns(netns);
    await add(netns, ALL);
    await netns.ip('link del tap0');
    await netns.tc('qdisc del dev eth0 clsact');
    assert.equal(
      (await del(netns)).map(({ op }) => op),
      ['deleteFloor', 'deleteSilence'],
    );
    sameNetns(await dumpNetns(netns), before);
  }));

/** Asks who has the address of the server; the guest's MAC and address do not matter. */
const ARP = `${'ff'.repeat(6)}020000000099${'0806'}${'0001080006040001'}${'0'.repeat(32)}a9fe4b0a`;

test('ADD wires a pod whose tap was deleted, and its floor sees the frames of the new tap', () =>
  withFrames((open) =>
    withDualStackPod(async (netns) => {
      await add(netns, ALL);
      const wired = await sorted(netns);
      await netns.ip('link del tap0');
      await add(netns, ALL);
      assert.equal(await defects(netns), []);
      sameNetns(await sorted(netns), wired);
      const tap = await open(netns, 'tap', 'tap0');
      tap.send(ARP);
      const floor = () => run(netns, 'nft', 'list', 'table', 'netdev', TABLE);
      await until('the floor has accepted the frame', async () =>
        /0xa9fe4b0a .*counter packets 1 /.test(await floor()),
      );
    }),
  ));

const OTHERS = [
  'filter add dev eth0 ingress protocol ip pref 65521 u32 match ip dport 68 0xffff flowid 1:1',
  'filter add dev eth0 ingress protocol ipv6 pref 65523 u32 match ip6 dport 546 0xffff flowid 1:1',
];
for (const when of ['before', 'after'] as const) {
  test(`filters of other programs at the prefs of rules, added ${when} ADD, survive DEL`, () =>
    withDualStackPod(async (netns) => {
      const addOthers = async () => {
        for (const filter of OTHERS) await netns.tc(filter);
      };
      await netns.tc('qdisc add dev eth0 clsact');
      const bare = await dumpNetns(netns);
      await addOthers();
      const before = await dumpNetns(netns);
      if (when === 'after') {
        for (const pref of [65521, 65523]) await netns.tc(`filter del dev eth0 ingress pref ${pref}`);
        sameNetns(await dumpNetns(netns), bare);
      }
      await add(netns, ALL);
      if (when === 'after') await addOthers();
      assert.equal(await defects(netns), []);
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
    }));
}

test('ADD undoes everything if another program uses the place of a rule', () =>
  withDualStackPod(async (netns) => {
    await netns.tc('qdisc add dev eth0 clsact');
    await netns.tc('filter add dev eth0 ingress protocol arp pref 65521 u32 match u8 9 0xff at 1 flowid 1:1');
    const [before, sysctls] = [await dumpNetns(netns), await passtSysctls(netns)];
    const { code, message } = await caught(() => add(netns, ALL));
    assert.is(code, 'KERNEL_REFUSED');
    assert.match(message, 'Cannot add the rules of guest services to "eth0": ');
    sameNetns(await dumpNetns(netns), before);
    assert.equal(await passtSysctls(netns), sysctls);
  }));

for (const [why, earlier, later] of [
  ['without the keys', {}, ALL],
  ['with a guard of MACs', { spoofGuard: 'mac' }, ALL],
  ['with guest services alone', { guestAddresses: 'pod' }, ALL],
] as const) {
  test(`ADD of a pod that an earlier ADD wired ${why} gives it what the NAD says now`, () =>
    withDualStackPod(async (netns) => {
      const before = await dumpNetns(netns);
      await add(netns, later);
      const wired = await sorted(netns);
      await del(netns);
      await add(netns, earlier);
      await add(netns, later);
      assert.equal(await defects(netns), []);
      sameNetns(await sorted(netns), wired);
      await del(netns);
      sameNetns(await dumpNetns(netns), before);
    }));
}

test.run();
