/**
 * Batches for nftables on a real kernel: what Tapwire reads from it equals what it wrote, nft(8)
 * shows the same, and a rule matches the frames that its `FrameMatch` describes.
 */
import { closeSync, openSync } from 'node:fs';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesAt, type FrameMatch } from '../../shared/frame-match.ts';
import type { Request } from '../../shared/netlink/message.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { chainAddition } from '../../shared/nftables/chain.ts';
import { ACCEPT, COUNTER, DROP, type Expression, entersBy } from '../../shared/nftables/expression.ts';
import { matchExpressions } from '../../shared/nftables/frame-rule.ts';
import { ruleAddition, rulesOf } from '../../shared/nftables/rule.ts';
import { allTables, type Table, tableAddition } from '../../shared/nftables/table.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { withFrames } from '../helpers/pod/frames.ts';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';

const test = suite('nftables');

const INET = { family: 'inet', name: 'tapwire-test' } as const;
const NETDEV = { family: 'netdev', name: 'tapwire-test' } as const;
const FLOOR = { table: NETDEV, name: 'floor', hook: 'ingress', device: 'tap0', priority: 10 } as const;

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

async function withTap(act: (netns: TestNetns, rtnetlink: Rtnetlink) => Promise<void>): Promise<void> {
  await withNetns(async (netns) => {
    await netns.ip('tuntap add dev tap0 mode tap');
    const fd = openSync(netns.path, 'r');
    const rtnetlink = new Rtnetlink(fd);
    try {
      await act(netns, rtnetlink);
    } finally {
      await rtnetlink.close();
      closeSync(fd);
    }
  });
}

async function add(rtnetlink: Rtnetlink, ...requests: readonly Request[]): Promise<void> {
  assert.equal(await rtnetlink.run([{ part: 'nftables', requests }], false), [['done']]);
}

async function read(rtnetlink: Rtnetlink, table: Table): Promise<readonly (readonly Expression[])[]> {
  const [rules] = await rtnetlink.ask(rulesOf(table));
  return rules.map(({ expressions }) => expressions);
}

const show = async ({ name }: TestNetns, ...words: readonly string[]): Promise<string> =>
  (await execa('ip', ['netns', 'exec', name, 'nft', ...words])).stdout;

/** A rule that answers in the name of the router: it rewrites the message and its source. */
const REWRITE: readonly Expression[] = [
  ...entersBy('tap0'),
  { is: 'meta', key: 'nfproto' },
  { is: 'cmp', equal: bytes('0a') },
  { is: 'meta', key: 'l4proto' },
  { is: 'cmp', equal: bytes('3a') },
  { is: 'load', header: 'network', offset: 24, length: 16 },
  { is: 'cmp', equal: bytes('ff020000000000000000000000000002') },
  { is: 'load', header: 'transport', offset: 24, length: 16 },
  {
    is: 'write',
    header: 'network',
    offset: 8,
    length: 16,
    checksum: { offset: null, isPseudoHeader: true },
  },
  { is: 'immediate', value: bytes('40c0') },
  {
    is: 'write',
    header: 'transport',
    offset: 4,
    length: 2,
    checksum: { offset: 2, isPseudoHeader: false },
  },
  { is: 'load', header: 'transport', offset: 0, length: 2 },
  { is: 'bitwise', mask: bytes('00ff'), xor: bytes('8100') },
  {
    is: 'write',
    header: 'transport',
    offset: 0,
    length: 2,
    checksum: { offset: 2, isPseudoHeader: false },
  },
  { is: 'limit', perSecond: 2, burst: 20 },
  COUNTER,
  ACCEPT,
];

test('rules of a hook read back as they were written', () =>
  withTap(async (netns, rtnetlink) => {
    await add(
      rtnetlink,
      tableAddition(INET),
      chainAddition({ table: INET, name: 'input', hook: 'input', priority: -310 }),
      ruleAddition({ table: INET, chain: 'input', expressions: REWRITE }),
    );
    assert.equal(await read(rtnetlink, INET), [REWRITE]);
    const shown = await show(netns, 'list', 'ruleset');
    assert.match(shown, 'type filter hook input priority raw - 10; policy accept;');
    assert.match(shown, 'ip6 daddr ff02::2 ip6 saddr set @th,192,128');
  }));

const MATCHES: readonly FrameMatch[] = [
  { protocol: 'all', keys: [] },
  {
    protocol: 'ip',
    keys: [
      ...bytesAt(20, bytes('00440043')),
      ...bytesAt(0, bytes('4500'), bytes('ff00')),
      ...bytesAt(6, bytes('0000'), bytes('1fff')),
      ...bytesAt(9, bytes('11')),
    ],
  },
  { protocol: 'ipv6', keys: bytesAt(8, bytes('fd000050000000000000000000000007')) },
  { protocol: 'arp', keys: bytesAt(8, bytes('0200000000010a320007')) },
  { protocol: 'ipv6', keys: bytesAt(8, bytes('fe80'), bytes('ffc0')) },
  { protocol: 'rarp', keys: [] },
];

test('rules of a link read back as they were written', () =>
  withTap(async (netns, rtnetlink) => {
    const rules = [
      ...MATCHES.map((match) => [...matchExpressions(match), COUNTER, DROP]),
      [{ is: 'immediate', value: bytes('00') }, { is: 'setPacketType' }, COUNTER, ACCEPT] as const,
    ];
    await add(
      rtnetlink,
      tableAddition(NETDEV),
      chainAddition(FLOOR),
      ...rules.map((expressions) => ruleAddition({ table: NETDEV, chain: FLOOR.name, expressions })),
    );
    assert.equal(await read(rtnetlink, NETDEV), rules);
    assert.equal((await rtnetlink.ask(allTables))[0].tables, [NETDEV]);
    const shown = await show(netns, 'list', 'ruleset');
    assert.match(shown, 'type filter hook ingress device "tap0" priority filter + 10; policy accept;');
    assert.match(shown, 'meta pkttype set host counter packets 0 bytes 0 accept');
  }));

const DHCP = `450000200000000040110000000000000a320001${'00440043000c0000'}00000000`;
const ETHERNET = '02000000000b020000000001';

test('a rule matches its frames, but not those with a VLAN tag', () =>
  withFrames((open) =>
    withTap(async (netns, rtnetlink) => {
      const keys = bytesAt(20, bytes('00440043'));
      const rules = (['ip', 'all'] as const).map((protocol) => [
        ...matchExpressions({ protocol, keys }),
        COUNTER,
        DROP,
      ]);
      await add(
        rtnetlink,
        tableAddition(NETDEV),
        chainAddition(FLOOR),
        ...rules.map((expressions) => ruleAddition({ table: NETDEV, chain: FLOOR.name, expressions })),
      );
      const guest = await open(netns, 'tap', 'tap0');
      await netns.ip('link set tap0 up');
      const frames = [`0800${DHCP}`, `810000000800${DHCP}`, `810000050800${DHCP}`, `88a800050800${DHCP}`];
      for (const frame of frames) guest.send(`${ETHERNET}${frame}`);
      const counted = async (): Promise<readonly number[]> =>
        (await read(rtnetlink, NETDEV))
          .flat()
          .flatMap((expression) => (expression.is === 'counter' ? [expression.packets] : []));
      await until('the chain has seen all frames', async () => {
        const [plain = 0, tagged = 0] = await counted();
        return plain + tagged === frames.length;
      });
      assert.equal(await counted(), [1, 3]);
    }),
  ));

test.run();
