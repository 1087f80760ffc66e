/**
 * Finds the link-local address of a gateway with a global address, as the bridge plugin makes it:
 * the bridge is the router. Each test lists the frames that the search sends.
 */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FoundRouter } from '../../cni/kernel/find-router.ts';
import { openKernel } from '../../cni/kernel/kernel.ts';
import { ipv6Bytes } from '../../shared/rtnetlink/neighbour-resolution.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { HANG } from '../helpers/hang.ts';
import { type FrameSocket, withFrames } from '../helpers/pod/frames.ts';
import { setPasstSysctls, type TestNetns, withNetns } from '../helpers/pod/netns.ts';

const test = suite('findRouter()');

const GATEWAY = 'fd00:60::1';
const POD_MAC = '02:00:00:00:00:10';
const POD = 'fe80::ff:fe00:10';
/** Its address does not follow from its MAC, because the MAC of a bridge may change later. */
const ROUTER = { address: 'fe80::60:1', mac: '02:00:00:00:00:60' };
const OTHER = { address: 'fe80::60:2', mac: '02:00:00:00:00:61' };

/** What the search sends if the pod knows no neighbour. */
const SEARCH = [
  `neighbour solicitation for ${GATEWAY}`,
  'echo request to ff02::2',
  `neighbour solicitation for ${ROUTER.address}`,
];

/** Settings of a pod that sends nothing by itself a moment after its link is up. */
const QUIET_POD = {
  'default/dad_transmits': 0,
  'default/router_solicitations': 0,
  'default/mldv2_unsolicited_report_interval': 10, // ms
};
/** How long such a pod must have sent nothing, in ms. */
const QUIET = 1_000;

interface Lan {
  readonly pod: TestNetns;
  readonly node: TestNetns;
  /** Frames that leave the pod. */
  readonly heard: FrameSocket;
}

const run = ({ name }: TestNetns, script: string) =>
  execa('ip', ['netns', 'exec', name, 'sh', '-ec', script]);

const sysctl = (netns: TestNetns, values: Readonly<Record<string, number>>) =>
  run(
    netns,
    Object.entries(values)
      .map(([key, value]) => `echo ${value} >/proc/sys/net/ipv6/conf/${key}`)
      .join('; '),
  );

/** A pod on the bridge `br0` of a node, before the pod link `eth0` is up. */
const withLan = (act: (lan: Lan) => Promise<void>): Promise<void> =>
  withFrames((open) =>
    withNetns((node) =>
      withNetns(async (pod) => {
        await sysctl(node, { 'all/forwarding': 1, 'default/dad_transmits': 0 });
        await sysctl(pod, QUIET_POD);
        await setPasstSysctls(pod, [1024, 0, 0]);
        await pod.ip('link set lo up');
        await node.ip(`link add br0 address ${ROUTER.mac} type bridge mcast_snooping 0`);
        await node.ip('link set br0 addrgenmode none');
        await node.ip(`link add host0 type veth peer name eth0 address ${POD_MAC} netns ${pod.name}`);
        await node.ip('link set host0 addrgenmode none master br0');
        for (const link of ['br0', 'host0']) await node.ip(`link set ${link} up`);
        for (const address of [GATEWAY, ROUTER.address])
          await node.ip(`addr add ${address}/64 dev br0 nodad`);
        await act({ pod, node, heard: await open(node, 'link', 'host0') });
      }),
    ),
  );

/** Adds a second router to the bridge. */
async function addRouter({ node }: Lan, other: TestNetns): Promise<void> {
  await sysctl(other, { 'all/forwarding': 1, 'default/dad_transmits': 0 });
  await node.ip(`link add host1 type veth peer name eth0 address ${OTHER.mac} netns ${other.name}`);
  await node.ip('link set host1 addrgenmode none master br0 up');
  await other.ip('link set eth0 addrgenmode none up');
  await other.ip(`addr add ${OTHER.address}/64 dev eth0 nodad`);
}

async function find({ path }: TestNetns, gateway = GATEWAY): Promise<FoundRouter> {
  const fd = openSync(path, 'r');
  const kernel = openKernel(fd);
  try {
    const { links } = await kernel.observe();
    const link = links.find(({ ifname }) => ifname === 'eth0');
    assert.ok(link);
    return await kernel.findRouter(link, gateway);
  } finally {
    await kernel.close();
    closeSync(fd);
  }
}

/** Sets the pod link up, and waits until the pod sends nothing by itself. */
async function settle({ pod, heard }: Lan): Promise<void> {
  await pod.ip('link set eth0 up');
  const deadline = performance.now() + HANG;
  for (let count = -1; count !== heard.received.length; await sleep(QUIET)) {
    assert.ok(performance.now() < deadline, 'the pod stops sending');
    count = heard.received.length;
  }
}

/** Returns what a search finds, and the frames that the pod sends during and after it. */
async function search(lan: Lan): Promise<readonly [FoundRouter, readonly string[]]> {
  await settle(lan);
  const before = lan.heard.received.length;
  const found = await find(lan.pod);
  await sleep(500);
  return [found, lan.heard.received.slice(before).map(kindOf)];
}

const KINDS = new Map([
  ['80', 'echo request'],
  ['87', 'neighbour solicitation'],
  ['88', 'neighbour advertisement'],
]);
const [DESTINATION, TYPE, TARGET] = [38, 54, 62]; // offsets in bytes
const ADDRESS = 16;

const bytesOf = (frame: string, at: number, length: number): string => frame.slice(2 * at, 2 * (at + length));
const hexOf = (address: string): string => ipv6Bytes(address).toString('hex');
const KNOWN = new Map(
  [GATEWAY, ROUTER.address, OTHER.address, POD, 'ff02::2'].map((one) => [hexOf(one), one]),
);

/** Names a frame; returns it as it is if a search should never send it. */
function kindOf(frame: string): string {
  const kind = bytesOf(frame, 12, 2) === '86dd' && KINDS.get(bytesOf(frame, TYPE, 1));
  if (!kind || bytesOf(frame, 20, 1) !== '3a') return frame;
  const isEcho = kind === 'echo request';
  const about = bytesOf(frame, isEcho ? DESTINATION : TARGET, ADDRESS);
  return `${kind} ${isEcho ? 'to' : 'for'} ${KNOWN.get(about) ?? about}`;
}

const reasonIn = (found: FoundRouter): string => ('reason' in found ? found.reason : 'found');

test('finds the router that has the MAC of the gateway, with three frames', () =>
  withLan(async (lan) => {
    assert.equal(await search(lan), [{ router: ROUTER }, SEARCH]);
    assert.equal(await search(lan), [{ router: ROUTER }, ['echo request to ff02::2']], 'the MACs are known');
  }));

test('sends everything from the link-local address, even if the pod has a global one', () =>
  withLan(async (lan) => {
    await lan.pod.ip('addr add fd00:60::10/64 dev eth0 nodad');
    await search(lan);
    const sources = lan.heard.received
      .filter((frame) => SEARCH.includes(kindOf(frame)))
      .map((frame) => bytesOf(frame, 22, ADDRESS));
    assert.equal(
      sources,
      SEARCH.map(() => hexOf(POD)),
    );
  }));

test('does not take the pod itself for a router', () =>
  withLan(async (lan) => {
    await sysctl(lan.pod, { 'all/forwarding': 1 });
    assert.equal(await search(lan), [{ router: ROUTER }, SEARCH]);
  }));

test('tells the gateway from a router that replies first', () =>
  withNetns((other) =>
    withLan(async (lan) => {
      await addRouter(lan, other);
      // Drops the first echo request only.
      const rule = 'icmpv6 type echo-request limit rate 1/hour burst 1 packets drop';
      await run(lan.node, `nft 'table ip6 t { chain c { type filter hook input priority 0; ${rule}; }; }'`);
      const [found, frames] = await search(lan);
      assert.equal(found, { router: ROUTER });
      // The other router did not know the pod. To reply, it asked, which told the pod its MAC.
      assert.equal(frames, [...SEARCH.slice(0, 2), `neighbour advertisement for ${POD}`, ...SEARCH.slice(1)]);
    }),
  ));

test('says that another router is not the gateway', () =>
  withNetns((other) =>
    withLan(async (lan) => {
      await addRouter(lan, other);
      await sysctl(lan.node, { 'all/forwarding': 0 });
      const [found, frames] = await search(lan);
      assert.match(
        reasonIn(found),
        /^none of the routers .* has 02:00:00:00:00:60, the MAC of gateway fd00:60::1$/,
      );
      assert.equal(frames, [
        ...SEARCH.slice(0, 2),
        `neighbour advertisement for ${POD}`,
        'echo request to ff02::2',
      ]);
    }),
  ));

test('says that no router replies', () =>
  withLan(async (lan) => {
    await sysctl(lan.node, { 'all/forwarding': 0 });
    const [found, frames] = await search(lan);
    assert.equal([reasonIn(found), frames], ['no router replies to an echo request', SEARCH.slice(0, 2)]);
  }));

test('asks no router if the gateway does not exist', () =>
  withLan(async (lan) => {
    await lan.node.ip(`addr del ${GATEWAY}/64 dev br0`);
    const [found, frames] = await search(lan);
    assert.is(reasonIn(found), 'gateway fd00:60::1 does not reply to a neighbour solicitation');
    assert.equal(frames, SEARCH.slice(0, 1));
  }));

test('names the sysctl that forbids echo requests', () =>
  withLan(async (lan) => {
    await setPasstSysctls(lan.pod, [1024, 1, 0]);
    const [found, frames] = await search(lan);
    const reason =
      "open an echo socket: Permission denied; net.ipv4.ping_group_range must include Tapwire's group";
    assert.equal([reasonIn(found), frames], [reason, SEARCH.slice(0, 1)]);
  }));

test('sends nothing without a link-local address, without carrier, or on a link that is down', () =>
  withLan(async (lan) => {
    assert.is(reasonIn(await find(lan.pod)), '"eth0" is down');
    await lan.pod.ip('link set eth0 addrgenmode none');
    const [found, frames] = await search(lan);
    assert.equal([reasonIn(found), frames], ['"eth0" has no link-local address', []]);
    await lan.node.ip('link set host0 down');
    assert.is(reasonIn(await find(lan.pod)), '"eth0" has no carrier');
  }));

const isTentative = async ({ pod }: Lan): Promise<boolean> =>
  (await pod.ip('-6 addr show dev eth0 scope link tentative')).includes(POD);

test('waits while the link-local address is tentative', () =>
  withLan(async (lan) => {
    await sysctl(lan.pod, { 'eth0/dad_transmits': 1 });
    await lan.pod.ip('link set eth0 up');
    assert.ok(await isTentative(lan), 'at first');
    assert.equal(await find(lan.pod), { router: ROUTER });
    assert.not.ok(await isTentative(lan), 'afterwards');
  }));

test('gives up if another host has the same link-local address', () =>
  withLan(async (lan) => {
    await lan.node.ip(`addr add ${POD}/64 dev br0 nodad`);
    await sysctl(lan.pod, { 'eth0/dad_transmits': 1 });
    await lan.pod.ip('link set eth0 up');
    await until('it is found', async () =>
      (await lan.pod.ip('-6 addr show dev eth0 dadfailed')).includes(POD),
    );
    const [found, frames] = await search(lan);
    assert.equal([reasonIn(found), frames], [`${POD} of "eth0" stays tentative`, []]);
  }));

/** Adds 16-bit words, with the carry added as in the checksum of IP. */
const sumOf = (hex: string): number => {
  const sum = (hex.match(/.{4}/g) ?? []).reduce((total, word) => total + Number.parseInt(word, 16), 0);
  return ((sum & 0xffff) + (sum >>> 16)) % 0xffff;
};

/** An echo reply with any sender, for an echo request of the pod. */
function replyTo(request: string, sender: string): string {
  const id = bytesOf(request, TYPE + 4, 4);
  const addresses = `${hexOf(sender)}${hexOf(POD)}`;
  const checksum = 0xffff - sumOf(`${addresses}000000080000003a8100${id}`);
  const ethernet = `${POD_MAC}${OTHER.mac}`.replaceAll(':', '');
  return `${ethernet}86dd6000000000083a40${addresses}8100${checksum.toString(16).padStart(4, '0')}${id}`;
}

test('compares at most eight routers, however many replies come', () =>
  withLan(async (lan) => {
    await sysctl(lan.node, { 'all/forwarding': 0 });
    await settle(lan);
    const { heard } = lan;
    const finding = find(lan.pod);
    const requests = () => heard.received.filter((frame) => kindOf(frame) === 'echo request to ff02::2');
    for (const count of [1, 2]) {
      await until(`request ${count}`, () => requests().length === count);
      for (let i = 0; i < 1000; i++)
        heard.send(replyTo(requests().at(-1) ?? '', `fe80::6:${i.toString(16)}`));
    }
    assert.match(reasonIn(await finding), /^none of the routers/);
    const targets = heard.received.filter((frame) =>
      kindOf(frame).startsWith('neighbour solicitation for fe80'),
    );
    assert.ok(targets.length <= 9, `${targets.length} solicitations`);
  }));

test.run();
