/** Which frames pass between a guest on `tap` and the network. docs/support.md shows the table. */
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withDirectory } from '../helpers/plugin/shim.ts';
import { BROADCAST, frameOf, kindsUpTo, PEER_MAC, padded, TYPE } from '../helpers/pod/frame-kinds.ts';
import { POD_MAC, type Wire, withWire } from '../helpers/pod/wire.ts';

const test = suite('frames of a guest on tap');

const MTU = 9000;
const KINDS = kindsUpTo(MTU);

test('every kind of frame reaches the guest from the network', () =>
  withWire(MTU, async ({ guest, network }) => {
    for (const kind of KINDS) {
      const frame = frameOf(PEER_MAC, POD_MAC, kind);
      network.send(frame);
      await guest.receives(frame).catch((error) => assert.unreachable(`${kind[0]}: ${error}`));
    }
  }));

test('every kind of frame reaches the network from the guest', () =>
  withWire(MTU, async ({ guest, network }) => {
    for (const kind of KINDS) {
      const frame = frameOf(POD_MAC, PEER_MAC, kind);
      guest.send(frame);
      await network.receives(frame).catch((error) => assert.unreachable(`${kind[0]}: ${error}`));
    }
  }));

/**
 * An ICMP echo request in the shortest frame without padding, because a router would cut padding
 * off.
 */
function echo(macs: string, source: string, destination: string): string {
  const header = checksummed(`4500002e0000400040010000${source}${destination}`, 20);
  return `${macs}0800${header}${checksummed(`0800000000010001${'a5'.repeat(18)}`, 4)}`;
}

/** @param at offset of the 16-bit checksum, in hex digits */
function checksummed(hex: string, at: number): string {
  const words = hex.match(/.{4}/g)?.map((word) => Number.parseInt(word, 16)) ?? [];
  let sum = words.reduce((total, word) => total + word, 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return hex.slice(0, at) + (~sum & 0xffff).toString(16).padStart(4, '0') + hex.slice(at + 4);
}

/** Returns the packet as a router forwards it: with TTL 63 and a matching checksum. */
const forwarded = (frame: string): string => {
  const [start, header, rest] = [frame.slice(0, 28), frame.slice(28, 68), frame.slice(68)];
  return `${start}${checksummed(`${header.slice(0, 16)}3f${header.slice(18, 20)}0000${header.slice(24)}`, 20)}${rest}`;
};

const GUEST_IP = 'c000020a'; // 192.0.2.10
const FAR_IP = 'c6336405'; // 198.51.100.5

interface Router {
  /** MACs of the node's links towards the pod and towards the outside. */
  readonly host0: string;
  readonly up0: string;
}

/**
 * Makes the node a router between the pod and a second link, up0. Packets that leave there arrive
 * at up1.
 */
async function routeThrough({ node }: Wire): Promise<Router> {
  await node.ip('addr add 192.0.2.1/24 dev host0');
  await node.ip('link add up0 type veth peer name up1');
  for (const link of ['up0', 'up1']) await node.ip(`link set ${link} up`);
  await node.ip('addr add 198.51.100.1/24 dev up0');
  await node.ip(`neigh add 198.51.100.5 lladdr 02:00:00:00:00:05 dev up0 nud permanent`);
  await node.ip('neigh add 192.0.2.10 lladdr 02:00:00:00:00:10 dev host0 nud permanent');
  await inNetns(node.name, 'echo 1 >/proc/sys/net/ipv4/ip_forward');
  const macOf = async (link: string): Promise<string> =>
    JSON.parse(await node.ip(`-j link show dev ${link}`))[0].address.replaceAll(':', '');
  return { host0: await macOf('host0'), up0: await macOf('up0') };
}

const inNetns = async (name: string, script: string): Promise<string> =>
  (await execa('ip', ['netns', 'exec', name, 'sh', '-ec', script])).stdout;

/** Number of packets that a named counter of nft has seen. */
const counted = async (name: string, counter: string): Promise<number> =>
  Number(/packets (\d+)/.exec(await inNetns(name, `nft list counter inet test ${counter}`))?.[1]);

/** A table that counts and drops every packet at these hooks. */
const dropAt = (hooks: readonly string[]): string =>
  [
    'table inet test {',
    ...hooks.map((hook) => `counter ${hook} {}\n`),
    ...hooks.map(
      (hook) => `chain ${hook}1 { type filter hook ${hook} priority -300; counter name ${hook} drop; }\n`,
    ),
    '}',
  ].join('\n');

const rules = (name: string, table: string): Promise<string> =>
  inNetns(name, `nft -f - <<'END'\n${table}\nEND`);

test('rules of the host netns apply to the guest: a NetworkPolicy enforced there drops its packets', () =>
  withWire(1500, async (wire) => {
    const { node, guest, network } = wire;
    const { host0, up0 } = await routeThrough(wire);
    const out = echo(`${host0}${POD_MAC}`, GUEST_IP, FAR_IP);
    await wire.withLink(node, 'up1', async (far) => {
      guest.send(out);
      await far.receives(forwarded(echo(`020000000005${up0}`, GUEST_IP, FAR_IP)));

      await rules(node.name, dropAt(['forward']));
      guest.send(out);
      await network.receives(out);
      await until(async () => (await counted(node.name, 'forward')) === 1, 'the rule drops the packet');
      const marker = padded(`${BROADCAST}${up0}${TYPE}`);
      await wire.withLink(node, 'up0', async (near) => {
        near.send(marker);
        assert.equal(await far.receives(marker), [], 'nothing was forwarded');
      });
    });
  }));

test("rules inside the pod's netns do not apply to the guest: its frames bypass them", () =>
  withWire(1500, async ({ pod, guest, network }) => {
    const HOOKS = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
    await rules(pod.name, dropAt(HOOKS));
    await pod.ip('addr add 192.0.2.10/24 dev eth0');
    const [out, back] = [
      echo(`${PEER_MAC}${POD_MAC}`, GUEST_IP, FAR_IP),
      echo(`${POD_MAC}${PEER_MAC}`, FAR_IP, GUEST_IP),
    ];
    guest.send(out);
    await network.receives(out);
    network.send(back);
    await guest.receives(back);
    for (const hook of HOOKS) assert.is(await counted(pod.name, hook), 0, hook);
  }));

test("a packet that the node's stack forwards reaches the guest with the guest's MAC", () =>
  withWire(1500, async (wire) => {
    const { host0, up0 } = await routeThrough(wire);
    await wire.withLink(wire.node, 'up1', async (far) => {
      far.send(echo(`${up0}020000000005`, FAR_IP, GUEST_IP));
      await wire.guest.receives(forwarded(echo(`${POD_MAC}${host0}`, FAR_IP, GUEST_IP)));
    });
  }));

test("a packet sent by bpf_redirect_peer() reaches the guest with the MAC of the node's link, and a guest drops it", () =>
  withWire(1500, async (wire) => {
    const { up0 } = await routeThrough(wire);
    await redirectPeer(wire);
    await wire.withLink(wire.node, 'up1', async (far) => {
      const packet = echo(`${up0}020000000005`, FAR_IP, GUEST_IP);
      far.send(packet);
      await wire.guest.receives(packet);
    });
  }));

/**
 * Redirects packets that arrive at up0 to the pod by an eBPF program. The bpf file system is in a
 * mount namespace of its own.
 */
function redirectPeer({ node }: Wire): Promise<unknown> {
  return withDirectory(async (directory) => {
    const program = join(directory, 'redirect-peer');
    const source = resolve(import.meta.dirname, 'redirect-peer.c');
    await execa('gcc', ['-Wall', '-Wextra', '-Werror', '-o', program, source]);
    const [{ ifindex }] = JSON.parse(await node.ip('-j link show dev host0'));
    const script = `
      mount -t bpf bpf /sys/fs/bpf
      ${program} ${ifindex} /sys/fs/bpf/peer
      tc qdisc add dev up0 clsact
      tc filter add dev up0 ingress bpf direct-action object-pinned /sys/fs/bpf/peer`;
    await execa('nsenter', [`--net=${node.path}`, 'unshare', '--mount', 'sh', '-ec', script]);
  });
}

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 60_000; // ms
  while (!(await isSo())) assert.ok(performance.now() < deadline, what);
}

test.run();
