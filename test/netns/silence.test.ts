/**
 * With the VM off, no frame with its MAC leaves a pod after ADD's first request, whatever the pod's
 * own stack tries to send. The guest's own frames pass unchanged. One test deletes the rules and
 * sees frames of the stack, which proves that the other tests can fail.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../helpers/agent/agent-node.ts';
import { HANG } from '../helpers/hang.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { type FrameSocket, type OpenFrames, withFrames } from '../helpers/pod/frames.ts';
import { dumpNetns, sameNetns, type TestNetns, withNetns } from '../helpers/pod/netns.ts';

const test = suite('silence');

const MAC = '02:00:00:00:00:10';
const SOURCE = MAC.replaceAll(':', '');
/**
 * Time in ms within which duplicate address detection, MLD reports, router solicitations and ARP
 * all occur.
 */
const LISTEN = 9_500;
/**
 * Time in ms after which IPv6 has sent everything except router solicitations, which are off until
 * then.
 */
const QUIET = 2_500;

interface Pod {
  readonly netns: TestNetns;
  readonly outside: TestNetns;
  /** The frames that leave the pod. */
  readonly heard: FrameSocket;
  readonly open: OpenFrames;
}

/** Pod links as ADD finds them. Their other end `host0` is outside. */
const FOUND: Readonly<Record<string, (netns: TestNetns, outside: TestNetns) => Promise<unknown>>> = {
  'a veth that is up': async (netns, outside) => {
    await netns.ip(`link add eth0 address ${MAC} type veth peer name host0 netns ${outside.name}`);
    await setSysctls(netns, { 'ipv6.conf.eth0.router_solicitations': 0 });
    await netns.ip('link set eth0 up');
  },
  'a veth that is down': (netns, outside) =>
    netns.ip(`link add eth0 address ${MAC} type veth peer name host0 netns ${outside.name}`),
  'a macvlan that is down': async (netns, outside) => {
    await outside.ip('link add lower0 type veth peer name host0');
    await outside.ip('link set lower0 up');
    await outside.ip(`link add eth0 link lower0 address ${MAC} netns ${netns.name} type macvlan mode bridge`);
  },
};

const withPod = (kind: string, act: (pod: Pod) => Promise<void>): Promise<void> =>
  withFrames((open) =>
    withNetns((outside) =>
      withNetns(async (netns) => {
        await FOUND[kind]?.(netns, outside);
        await netns.ip('addr add 192.0.2.10/24 dev eth0');
        await netns.ip('link set lo up');
        await outside.ip('link set host0 addrgenmode none');
        await outside.ip('link set host0 up');
        const heard = await open(outside, 'link', 'host0');
        await act({ netns, outside, heard, open });
      }),
    ),
  );

const inNetns = ({ name }: TestNetns, ...words: readonly string[]) =>
  execa('ip', ['netns', 'exec', name, ...words], { reject: false });

async function setSysctls(netns: TestNetns, values: Readonly<Record<string, number>>): Promise<void> {
  const words = Object.entries(values).map(([key, value]) => `net.${key}=${value}`);
  const { exitCode, stderr } = await inNetns(netns, 'busybox', 'sysctl', '-w', ...words);
  assert.is(exitCode, 0, stderr);
}

const [ARP, IPV6] = ['0806', '86dd'];

/** Returns the ethertype of each frame with the VM's MAC. */
const own = ({ received }: FrameSocket): readonly string[] =>
  received.filter((frame) => frame.slice(12, 24) === SOURCE).map((frame) => frame.slice(24, 28));

/**
 * Waits until the pod sends nothing more, because silence does not apply to frames sent before
 * ADD's first request. Returns how many frames with the VM's MAC were sent until then.
 */
async function settled(heard: FrameSocket): Promise<number> {
  const deadline = performance.now() + HANG;
  for (let count = -1; count !== heard.received.length; await sleep(QUIET)) {
    assert.ok(performance.now() < deadline, 'the pod stops sending');
    count = heard.received.length;
  }
  return own(heard).length;
}

/** Makes the pod's own stack send all it can, and waits. */
async function provoke(netns: TestNetns): Promise<void> {
  await setSysctls(netns, {
    'ipv4.conf.eth0.arp_notify': 1,
    'ipv6.conf.eth0.ndisc_notify': 1,
    'ipv6.conf.eth0.router_solicitations': -1,
  });
  await netns.ip('link set eth0 down');
  await netns.ip('link set eth0 up');
  for (const target of ['192.0.2.1', '192.0.2.255', 'ff02::1%eth0', 'fe80::1%eth0']) {
    await inNetns(netns, 'busybox', 'ping', '-c', '1', '-W', '1', target);
  }
  await sleep(LISTEN);
}

/** Leaves out IPv6 routes: they change when the test sets the link down and up. */
async function stateOf(netns: TestNetns): Promise<Readonly<Record<string, unknown>>> {
  const { routes6: _, ...rest } = await dumpNetns(netns);
  return rest;
}

const callOf = ({ netns }: Pod) => ({
  netns: netns.path,
  network: 'default',
  conf: { prevResult: { cniVersion: '1.0.0' } },
});

async function succeeds(command: string, pod: Pod): Promise<void> {
  const { exitCode, stdout } = await cni(command, callOf(pod));
  assert.is(exitCode, 0, `${command}: ${stdout}`);
}

/** Tests all kinds of pods at once, because each test listens for a long time. */
const onEachPod = (act: (pod: Pod, kind: string) => Promise<void>): Promise<void> =>
  Promise.all(Object.keys(FOUND).map((kind) => withPod(kind, (pod) => act(pod, kind)))).then(() => {});

test("no frame with the VM's MAC leaves after ADD's first request, and DEL leaves the pod as it was", () =>
  onEachPod(async (pod, kind) => {
    const { netns, heard } = pod;
    const before = await settled(heard);
    const found = await stateOf(netns);
    await succeeds('ADD', pod);
    const [eth0] = JSON.parse(await netns.ip('-j link show dev eth0'));
    assert.ok(eth0.flags.includes('UP'), `${kind}: the pod link is up`);
    await provoke(netns);
    assert.equal(own(heard).slice(before), [], kind);
    const rules = (await inNetns(netns, 'nft', 'list', 'ruleset')).stdout;
    const dropped = [...rules.matchAll(/oifname "eth0" counter packets (\d+)/g)].map(([, n]) => Number(n));
    assert.equal(
      dropped.map((count) => count > 0),
      [true, true],
      `${kind}: IP and ARP were dropped:\n${rules}`,
    );
    await succeeds('CHECK', pod);
    await succeeds('DEL', pod);
    sameNetns(await stateOf(netns), found, kind);
    if (kind.endsWith('down')) assert.equal(own(heard).slice(before), [], `${kind}: no frame during DEL`);
  }));

test("without the rules, frames of the pod's own stack leave the pod", () =>
  onEachPod(async (pod, kind) => {
    const { netns, heard } = pod;
    const before = await settled(heard);
    await succeeds('ADD', pod);
    await inNetns(netns, 'nft', 'flush', 'ruleset');
    await provoke(netns);
    const types = own(heard).slice(before);
    assert.ok(types.includes(IPV6) && types.includes(ARP), `${kind}: IPv6 and ARP in ${types.join(' ')}`);
    assert.ok(types.length > 5, `${kind}: ${types.length} frames`);
  }));

const BROADCAST = 'ffffffffffff';
const OUTSIDE = '020000000099';
const frame = (destination: string, source: string, rest: string): string =>
  `${destination}${source}${rest}`.padEnd(120, '0');
/** Frames of a guest, in both directions. A network stack in between would pass on none of them. */
const frames = (destination: string, source: string): readonly string[] => [
  frame(BROADCAST, source, '0806000108000604000102000000001'),
  frame(destination, source, '0800450000280000000040110000c000020ac00002630035003500140000'),
  frame('3333ff000001', source, '86dd6000000000203afffe8000000000000000000000000000010000'),
  frame('0180c200000e', source, '88cc0207040200'),
  frame('01005e0000fb', source, '08004500002800000000ff110000c000020ae00000fb14e914e900140000'),
  frame(BROADCAST, source, '80350001080006040003'),
  frame(destination, source, '0026424203000000'),
];

test("the guest's own frames pass unchanged in both directions", () =>
  onEachPod(async (pod, kind) => {
    const { netns, heard, open } = pod;
    const before = await settled(heard);
    await succeeds('ADD', pod);
    const guest = await open(netns, 'tap', 'tap0');
    const [out, into] = [frames(OUTSIDE, SOURCE), frames(SOURCE, OUTSIDE)];
    for (const one of out) guest.send(one);
    for (const one of into) heard.send(one);
    const [outside, inside] = [from(SOURCE, heard, before), from(OUTSIDE, guest, 0)];
    await until(
      `${kind}: all frames arrive`,
      () => outside().length >= out.length && inside().length >= into.length,
    );
    assert.equal(outside(), [...out].sort(), kind);
    assert.equal(inside(), [...into].sort(), kind);
  }));

/**
 * Returns a function that lists the received frames of a source, without the first ones. Sorts
 * them, because a macvlan delivers broadcasts later than other frames.
 */
const from =
  (source: string, { received }: FrameSocket, first: number) =>
  (): readonly string[] =>
    received
      .filter((one) => one.slice(12, 24) === source)
      .slice(first)
      .sort();

test.run();
