/**
 * What Tapwire reads and writes by rtnetlink, compared with what ip(8) and tc(8) report for the
 * same netns.
 */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Request } from '../../shared/netlink/message.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import type { NewTap, Part, Refusal, RequestOutcome } from '../../shared/netns/part.ts';
import { allAddresses } from '../../shared/rtnetlink/address.ts';
import { filterDeletion, filtersOf, redirectAddition } from '../../shared/rtnetlink/filter.ts';
import { allLinks, IFF_ALLMULTI, IFF_UP, type Link } from '../../shared/rtnetlink/link.ts';
import { type LinkChange, linkChange, linkDeletion } from '../../shared/rtnetlink/link-change.ts';
import { clsactAddition, clsactDeletion, ingressQdiscs } from '../../shared/rtnetlink/qdisc.ts';
import { allRoutes } from '../../shared/rtnetlink/route.ts';
import { type TestNetns, withNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('rtnetlink');

const COOKIE = '00112233445566778899aabbccddeeff';

async function withRtnetlink(netns: TestNetns, act: (rtnetlink: Rtnetlink) => Promise<void>): Promise<void> {
  const fd = openSync(netns.path, 'r');
  const rtnetlink = new Rtnetlink(fd);
  try {
    await act(rtnetlink);
  } finally {
    await rtnetlink.close();
    closeSync(fd);
  }
}

const TAP: NewTap = {
  ifname: 'tap0',
  ifindex: 0,
  multiQueue: false,
  owner: null,
  group: null,
  labelled: null,
};
const create = (tap: Partial<NewTap>): Part => ({ part: 'createTap', tap: { ...TAP, ...tap } });
const persist: Part = { part: 'persistTap' };

const linksOf = async (rtnetlink: Rtnetlink): Promise<readonly Link[]> => (await rtnetlink.ask(allLinks))[0];

async function change(rtnetlink: Rtnetlink, request: Request): Promise<RequestOutcome | undefined> {
  const [outcomes = 'notReached'] = await rtnetlink.run([{ part: 'change', requests: [request] }], false);
  return outcomes === 'notReached' ? undefined : outcomes[0];
}

const setLink = (rtnetlink: Rtnetlink, ifindex: number, what: LinkChange) =>
  change(rtnetlink, linkChange(ifindex, what));

const byName = (links: readonly Link[], ifname: string): Link => {
  const link = links.find((candidate) => candidate.ifname === ifname);
  assert.ok(link, `"${ifname}" is there`);
  return link;
};

test('allLinks() reads what `ip link` shows', () =>
  withPod('eth0', (netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      await netns.ip('link add mv0 link eth0 type macvlan mode bridge');
      await netns.ip('link add br0 type bridge');
      await netns.ip('link set eth0 alias some-text allmulticast on');
      const shown = JSON.parse(await netns.ip('-d -j link show'));
      const links = await linksOf(rtnetlink);
      assert.equal(
        links.map(({ ifindex, ifname, mtu, mac, kind, ifalias }) => ({
          ifindex,
          ifname,
          mtu,
          mac,
          kind,
          ifalias,
        })),
        // biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
        shown.map((link: any) => ({
          ifindex: link.ifindex,
          ifname: link.ifname,
          mtu: link.mtu,
          mac: link.address,
          kind: link.linkinfo?.info_kind ?? null,
          ifalias: link.ifalias ?? null,
        })),
      );
      assert.is(byName(links, 'eth0').flags & (IFF_UP | IFF_ALLMULTI), IFF_UP | IFF_ALLMULTI);
      assert.equal([byName(links, 'eth0').type, byName(links, 'lo').type], [1, 772]);
    }),
  ));

for (const [flags, want] of [
  ['user 107 group 108', { owner: 107, group: 108, multiQueue: false }],
  ['multi_queue', { owner: null, group: null, multiQueue: true }],
  ['user 0', { owner: 0, group: null, multiQueue: false }],
] as const) {
  test(`allLinks() reads a tap's details: ${flags}`, () =>
    withNetns((netns) =>
      withRtnetlink(netns, async (rtnetlink) => {
        await netns.ip(`tuntap add dev tap0 mode tap ${flags}`);
        const { tun } = byName(await linksOf(rtnetlink), 'tap0');
        assert.equal(tun, { mode: 'tap', persist: true, ...want });
      }),
    ));
}

test('allLinks() reads more links than one datagram holds', () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      for (let i = 0; i < 100; i++) await netns.ip(`link add v${i} type veth peer name w${i}`);
      assert.is((await linksOf(rtnetlink)).length, 201);
    }),
  ));

test('a list of links that exceeds its limit is cut short, and the next query gets its whole reply', () =>
  withNetns(async (netns) => {
    for (let i = 0; i < 20; i++) await netns.ip(`link add v${i} type ifb`);
    const fd = openSync(netns.path, 'r');
    const rtnetlink = new Rtnetlink(fd, 8192);
    try {
      const { answers, unsettled } = await rtnetlink.look(allLinks, ingressQdiscs);
      const [links, qdiscs] = answers as readonly (readonly Link[])[];
      assert.is(unsettled, 'it has more than Tapwire reads');
      assert.equal(
        links?.map(({ ifname }) => ifname),
        ['lo', ...Array.from({ length: (links?.length ?? 0) - 1 }, (_, i) => `v${i}`)],
      );
      assert.ok(links && links.length > 5 && links.length < 20, `${links?.length} links`);
      assert.equal(qdiscs, []);
      const message = 'Cannot read the state of the netns: it has more than Tapwire reads';
      const { message: said } = await rtnetlink.ask(allLinks).catch((error) => error);
      assert.is(said, message);
    } finally {
      await rtnetlink.close();
      closeSync(fd);
    }
  }));

test('a tap vanishes when its socket closes, until it is persistent', () =>
  withNetns(async (netns) => {
    const ifnames = async () =>
      (await netns.ip('-br link show'))
        .split('\n')
        .map((line) => line.split(' ')[0])
        .sort(); // The kernel lists links by ifindex, which not every kernel assigns alike.
    await withRtnetlink(netns, async (rtnetlink) => {
      const tap0 = create({ ifindex: 47, multiQueue: true, owner: 107 });
      assert.equal(await rtnetlink.run([tap0, persist, create({ ifname: 'tap1', group: 0 })], false), [
        ['done'],
        ['done'],
        ['done'],
      ]);
      assert.is(byName(await linksOf(rtnetlink), 'tap0').ifindex, 47);
      assert.equal((await ifnames()).sort(), ['lo', 'tap0', 'tap1']);
    });
    assert.equal(await ifnames(), ['lo', 'tap0']);
    const [shown] = JSON.parse(await netns.ip('-d -j link show dev tap0'));
    const { type, pi, vnet_hdr, multi_queue, persist: persistent } = shown.linkinfo.info_data;
    assert.equal([type, pi, vnet_hdr, multi_queue, persistent], ['tap', false, true, true, true]);
  }));

test('an existing tap is never attached to, and an ifindex is not assigned twice', () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      await netns.ip('tuntap add dev tap0 mode tap');
      const busy = [{ errno: 16, reason: 'TUNSETIFF: Device or resource busy' }];
      assert.equal(await rtnetlink.run([create({})], false), [busy]);
      assert.equal(await rtnetlink.run([create({ ifname: 'tap1', ifindex: 1 })], false), [busy]);
    }),
  ));

test('requests after a failure are skipped, or sent anyway on request', () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      const up = (ifindex: number): Part => ({
        part: 'change',
        requests: [linkChange(ifindex, { set: 'up', on: true })],
      });
      const refused = [{ errno: 19, reason: 'No such device' }];
      assert.equal(await rtnetlink.run([up(4711), create({})], false), [refused, 'notReached']);
      assert.equal(
        (await linksOf(rtnetlink)).map(({ ifname }) => ifname),
        ['lo'],
      );
      assert.equal(await rtnetlink.run([up(4711), create({})], true), [refused, ['done']]);
    }),
  ));

test('1,000 requests at once all get a reply, and rejected ones a reason', () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      await netns.ip('tuntap add dev tap0 mode tap');
      const { ifindex } = byName(await linksOf(rtnetlink), 'tap0');
      const requests = Array.from({ length: 1000 }, (_, i) =>
        linkChange(ifindex, { set: 'mtu', mtu: i % 2 === 0 ? 1000 + i : 70000 }),
      );
      const [refusals] = await rtnetlink.run([{ part: 'change', requests }], true);
      const refused = { errno: 22, reason: 'mtu greater than device maximum (Invalid argument)' };
      assert.equal(
        refusals,
        requests.map((_, i) => (i % 2 === 0 ? 'done' : refused)),
      );
      assert.is(byName(await linksOf(rtnetlink), 'tap0').mtu, 1998);
    }),
  ));

test('a link with more than 64 KiB of attributes is read like any other', () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      await netns.ip('link add eth0 type veth peer name host0');
      // The longest names, and as many as the kernel allows.
      const names = Array.from({ length: 495 }, (_, i) => `altname${i}-`.padEnd(127, 'x'));
      const input = names.map((name) => `link property add dev eth0 altname ${name}`).join('\n');
      await execa('ip', ['-n', netns.name, '-batch', '-'], { input });
      const links = await linksOf(rtnetlink);
      assert.equal(
        links.map(({ ifname }) => ifname),
        ['lo', 'host0', 'eth0'],
      );
      assert.is(byName(links, 'eth0').kind, 'veth');
    }),
  ));

test('rtnetlink ignores what a process in the netns sends to its socket', () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      const directory = mkdtempSync(join(tmpdir(), 'tapwire-forger-'));
      try {
        const program = join(directory, 'forger');
        const flags = ['-O2', '-Wall', '-Wextra', '-Werror'];
        await execa('gcc', [...flags, '-o', program, join(import.meta.dirname, 'forger.c')]);
        await netns.ip('tuntap add dev tap0 mode tap');
        const { ifindex } = byName(await linksOf(rtnetlink), 'tap0');
        // The first socket of a process in a netns has the process id as its address.
        const words = ['--pdeathsig', 'KILL', '--', program, netns.path, String(process.pid)];
        const forger = execa('setpriv', words, { reject: false });
        try {
          for (let i = 0; i < 500; i++) {
            const refusal = await setLink(rtnetlink, ifindex, { set: 'mtu', mtu: 70000 });
            assert.is.not(refusal, 'done', 'the kernel has refused it');
          }
        } finally {
          forger.kill('SIGKILL');
          await forger;
        }
      } finally {
        rmSync(directory, { recursive: true });
      }
    }),
  ));

test('creating a tap in another netns changes nothing on the node', () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      const own = new Rtnetlink(null);
      const ifindexes = async () => (await linksOf(own)).map(({ ifindex }) => ifindex);
      const before = await ifindexes();
      assert.equal(await rtnetlink.run([create({})], false), [['done']]);
      assert.equal(await ifindexes(), before);
      await own.close();
    }),
  ));

test('allAddresses() and allRoutes() read what `ip` shows', () =>
  withPod('eth0', (netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      const shown = JSON.parse(await netns.ip('-j addr show'));
      // biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
      const want = shown.flatMap((link: any) =>
        // biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
        link.addr_info.map((a: any) => `${link.ifindex} ${a.family} ${a.local}/${a.prefixlen} ${a.scope}`),
      );
      const addresses = (await rtnetlink.ask(allAddresses))[0];
      assert.equal(
        addresses.map((a) => `${a.ifindex} ${a.family} ${a.local}/${a.prefixLength} ${a.scope}`).sort(),
        want.sort(),
      );
      const eth0 = byName(await linksOf(rtnetlink), 'eth0').ifindex;
      // proto boot: the routes that ip(8) has added
      const routes = (await rtnetlink.ask(allRoutes))[0].filter(({ protocol }) => protocol === 3);
      assert.equal(routes, [
        { family: 'inet', destination: 'default', gateway: '192.0.2.1', link: eth0, table: 254, protocol: 3 },
        {
          family: 'inet6',
          destination: '2001:db8:1::/48',
          gateway: '2001:db8::1',
          link: eth0,
          table: 254,
          protocol: 3,
        },
      ]);
    }),
  ));

test("a rejected request has the kernel's message", () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      await netns.ip('tuntap add dev tap0 mode tap');
      const { ifindex } = byName(await linksOf(rtnetlink), 'tap0');
      assert.equal(await setLink(rtnetlink, ifindex, { set: 'mtu', mtu: 70000 }), {
        errno: 22,
        reason: 'mtu greater than device maximum (Invalid argument)',
      });
      assert.equal(await setLink(rtnetlink, 4711, { set: 'up', on: true }), {
        errno: 19,
        reason: 'No such device',
      });
      assert.is(
        ((await setLink(rtnetlink, ifindex, { set: 'alias', ifalias: 'x'.repeat(256) })) as Refusal).errno,
        34,
      );
      assert.is(await setLink(rtnetlink, ifindex, { set: 'alias', ifalias: 'x'.repeat(255) }), 'done');
    }),
  ));

test('linkChange() changes what `ip link` shows', () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      await netns.ip('tuntap add dev tap0 mode tap');
      const { ifindex } = byName(await linksOf(rtnetlink), 'tap0');
      for (const what of [
        { set: 'mtu', mtu: 9000 },
        { set: 'alias', ifalias: 'tapwire/1 …' },
        { set: 'addrgenmode none' },
        { set: 'up', on: true },
        { set: 'allmulticast', on: true },
      ] as const) {
        assert.is(await setLink(rtnetlink, ifindex, what), 'done');
      }
      const [shown] = JSON.parse(await netns.ip('-d -j link show dev tap0'));
      assert.equal([shown.mtu, shown.ifalias, shown.inet6_addr_gen_mode], [9000, 'tapwire/1 …', 'none']);
      assert.ok(['UP', 'ALLMULTI'].every((flag) => shown.flags.includes(flag)));
      assert.is(await netns.ip('-6 addr show dev tap0'), '', 'it has no address of its own');
    }),
  ));

test("a deleted link is gone and its name free when the reply arrives, before the kernel's acknowledgement", () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      const remove = (ifindex: number): Part => ({ part: 'deleteLink', deletion: linkDeletion(ifindex) });
      for (let i = 0; i < 10; i++) {
        assert.equal(await rtnetlink.run([create({ ifindex: 47 }), persist, remove(47)], false), [
          ['done'],
          ['done'],
          ['done'],
        ]);
        assert.equal(
          (await linksOf(rtnetlink)).map(({ ifname }) => ifname),
          ['lo'],
        );
      }
      assert.equal(await rtnetlink.run([remove(4711)], false), [[{ errno: 19, reason: 'No such device' }]]);
    }),
  ));

test('a redirect is written, read and deleted, and tc(8) agrees', () =>
  withNetns((netns) =>
    withRtnetlink(netns, async (rtnetlink) => {
      await netns.ip('link add eth0 type veth peer name host0');
      const links = await linksOf(rtnetlink);
      const [from, to] = [byName(links, 'eth0').ifindex, byName(links, 'host0').ifindex];
      assert.is(await change(rtnetlink, clsactAddition(from)), 'done');
      assert.equal((await rtnetlink.ask(ingressQdiscs))[0], [
        { ifindex: from, kind: 'clsact', isShared: false },
      ]);
      assert.is(
        await change(
          rtnetlink,
          redirectAddition({ from, qdisc: 'clsact', to, pref: 29815, cookie: COOKIE }, 'u32'),
        ),
        'done',
      );

      const shown = await netns.tc('filter show dev eth0 ingress');
      assert.match(shown, /protocol all pref 29815 u32/);
      assert.match(shown, /mirred \(Egress Redirect to device host0\) stolen/);
      assert.match(shown, new RegExp(`cookie ${COOKIE}`));

      const filters = (await rtnetlink.ask(filtersOf({ ifindex: from, kind: 'clsact' }, 'ingress')))[0];
      const ours = filters.filter(({ redirect }) => redirect !== null);
      assert.equal(
        ours.map(({ kind, pref, redirect }) => ({ kind, pref, redirect })),
        [{ kind: 'u32', pref: 29815, redirect: { to, cookie: COOKIE } }],
      );
      for (const filter of ours) assert.is(await change(rtnetlink, filterDeletion(filter)), 'done');
      assert.equal((await rtnetlink.ask(filtersOf({ ifindex: from, kind: 'clsact' }, 'ingress')))[0], []);
      assert.is(await change(rtnetlink, clsactDeletion(from)), 'done');
      assert.is(await netns.tc('qdisc show dev eth0 ingress'), '');
    }),
  ));

for (const [kind, classifier] of [
  ['u32', ['u32', 'match', 'u32', '0', '0']],
  ['bpf', ['bpf', 'bytecode', '1,6 0 0 4294967295']], // return -1: match
] as const) {
  test(`another program's ${kind} redirect is recognized as a redirect without a cookie`, () =>
    withNetns((netns) =>
      withRtnetlink(netns, async (rtnetlink) => {
        await netns.ip('link add eth0 type veth peer name host0');
        await netns.tc('qdisc add dev eth0 ingress');
        const words = [
          'filter',
          'add',
          'dev',
          'eth0',
          'parent',
          'ffff:',
          'protocol',
          'all',
          'pref',
          '5',
          ...classifier,
        ];
        await execa('tc', [
          '-n',
          netns.name,
          ...words,
          'action',
          'mirred',
          'egress',
          'redirect',
          'dev',
          'host0',
        ]);
        const links = await linksOf(rtnetlink);
        const [from, to] = [byName(links, 'eth0').ifindex, byName(links, 'host0').ifindex];
        const redirects = (
          await rtnetlink.ask(filtersOf({ ifindex: from, kind: 'ingress' }, 'ingress'))
        )[0].flatMap(({ redirect }) => redirect ?? []);
        assert.equal(redirects, [{ to, cookie: null }]);
      }),
    ));
}

test.run();
