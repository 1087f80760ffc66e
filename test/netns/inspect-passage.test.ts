/**
 * Runs `tapwire inspect` on pods whose guests are served and guarded, and compares its output with
 * docs/inspect.md.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Inspection, Passage } from '../../cli/inspect/inspection.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { assertShown, type Printed, tapwire } from '../helpers/cluster/command-line.ts';
import { SHOWN_POD, settled, tapIn } from '../helpers/cluster/inspect-output.ts';
import { withFrames } from '../helpers/pod/frames.ts';
import type { TestNetns } from '../helpers/pod/netns.ts';
import { POD, type WiredPod, withQemu, withWiredPod } from '../helpers/pod/wired-pod.ts';

const test = suite('tapwire inspect, with guest services and a spoof guard');

const PAGE = 'docs/inspect.md';
const SERVED = { guestAddresses: 'pod', spoofGuard: 'addresses' };
const ROUTER = { address: 'fe80::1', mac: '02:00:00:00:00:01' };

const GUEST = '020000000010';
const SOMEBODY = '0200000000fe';
const header = (to: string, from: string, type: '0800' | '86dd') => `${to}${from}${type}`;
/** IPv4 with an empty UDP packet. All in hex: addresses and ports, sources first. */
const udp = (addresses: string, ports: string) => `4500001c0000000040110000${addresses}${ports}00080000`;
/** IPv6 with an ICMPv6 message without a body. All in hex: the type, and addresses. */
const icmpv6 = (type: string, from: string, to: string) =>
  `6000000000083aff${from}${to}${type}00000000000000`;
const linkLocal = (digits: string): string => `fe80${digits.padStart(28, '0')}`;
const group = (digits: string): string => `ff02${digits.padStart(28, '0')}`;

const [BROADCAST, ALL_NODES, ALL_ROUTERS] = ['ffffffffffff', '333300000001', '333300000002'] as const;
const DISCOVER = `${header(BROADCAST, GUEST, '0800')}${udp('00000000ffffffff', '00440043')}`;
const SOLICITATION = `${header(ALL_ROUTERS, GUEST, '86dd')}${icmpv6('85', linkLocal('10'), group('2'))}`;
const ADVERTISEMENT = `${header(ALL_NODES, SOMEBODY, '86dd')}${icmpv6('86', linkLocal('fe'), group('1'))}`;
/** From the address of the pod link, and from another one. */
const OWN = `${header(BROADCAST, GUEST, '0800')}${udp('c000020ac0000201', '00090009')}`;
const FOREIGN = `${header(BROADCAST, GUEST, '0800')}${udp('c00002fec0000201', '00090009')}`;

const parsed = ({ stdout }: Printed): Inspection => JSON.parse(stdout);
const passageOf = async ({ path }: TestNetns): Promise<Passage | null> =>
  tapIn(parsed(await tapwire(['inspect', path, '--json']))).passage;

/** A kernel without cls_bpf has u32 filters, and the same counts. */
const settledGuard = (text: string): string =>
  text
    .replace('by u32 filters', 'by a classic BPF program')
    .replace('"form": "filters"', '"form": "program"');

/** Sends frames of each kind: from the guest, and from a foreign server. */
const sendAll = ({ netns, outside }: WiredPod): Promise<void> =>
  withFrames(async (open) => {
    const guest = await open(netns, 'tap', 'tap0');
    const network = await open(outside, 'link', 'host0');
    for (const frame of [DISCOVER, DISCOVER, SOLICITATION, FOREIGN, OWN]) guest.send(frame);
    network.send(ADVERTISEMENT);
    await until('all frames are counted', async () => {
      const passage = await passageOf(netns);
      const advertisements = passage?.services?.isolated?.find(
        ({ what }) => what === 'router advertisements',
      );
      return passage?.dropped === 1 && advertisements?.packets === 1;
    });
    await until('the frame from the address of the pod passes', () => network.received.includes(OWN));
  });

test('docs/inspect.md shows the output for a guest that is served and guarded', () =>
  withWiredPod(async (pod) => {
    const { netns, withResults } = pod;
    await netns.ip('link set tap0 address 02:00:00:00:00:20');
    // As ADD tells a router that it has asked.
    await netns.ip(`neigh add ${ROUTER.address} lladdr ${ROUTER.mac} dev tap0 nud permanent`);
    await sendAll(pod);
    await withQemu(pod, 1, async () => {
      const text = await tapwire(['inspect', POD], withResults);
      assert.is(text.exitCode, 0, text.stdout);
      assertShown(
        PAGE,
        `tapwire inspect ${SHOWN_POD}   # served and guarded`,
        settledGuard(settled(netns, text.stdout)),
      );
    });
    const svg = await tapwire(['inspect', netns.path, '--svg']);
    assert.match(svg.stdout, 'DHCPv4 requests 2, ARP for the server 0');
    const passage = await passageOf(netns);
    assert.equal(passage?.services?.router, ROUTER);
    assert.equal(
      passage?.services?.served?.map(({ packets }) => packets),
      [2, 0, 0, 1, 0, 0],
    );
    assert.is(passage?.guard?.compares, 'addresses');
  }, SERVED));

test('counts what a guard alone drops, and shows no services', () =>
  withWiredPod(
    async ({ netns }) => {
      await withFrames(async (open) => {
        const guest = await open(netns, 'tap', 'tap0');
        guest.send(FOREIGN.replace(GUEST, SOMEBODY));
        await until('the frame is counted', async () => (await passageOf(netns))?.dropped === 1);
      });
      const { stdout, exitCode } = await tapwire(['inspect', netns.path]);
      assert.is(exitCode, 0, stdout);
      assert.match(stdout, /^ {2}guard {6}source MAC, by (a classic BPF program|u32 filters)$/m);
      assert.match(stdout, '  dropped    1 frame of the guest that nobody got\n');
      assert.not.match(stdout, /^ {2}(services|isolation|router) /m);
    },
    { spoofGuard: 'mac' },
  ));

test('reports what is gone, in the words of CHECK', () =>
  withWiredPod(async ({ netns }) => {
    await netns.tc('filter del dev eth0 ingress pref 65521');
    await netns.ip('addr del 169.254.75.10/32 dev tap0');
    await execa('ip', [
      'netns',
      'exec',
      netns.name,
      'sysctl',
      '-qw',
      'net.ipv4.ip_unprivileged_port_start=1024',
    ]);
    const deleteTable = "nft list tables netdev | sed 's/^/delete /' | nft -f -";
    await execa('ip', ['netns', 'exec', netns.name, 'sh', '-ec', deleteTable]);
    const { attachments } = parsed(await tapwire(['inspect', netns.path, '--json']));
    const REMEDY = 'restart the VM, whose ADD adds what is missing';
    assert.equal(attachments[0]?.defects, [
      `the filters of isolation from foreign servers on "eth0" are changed; ${REMEDY}`,
      `the nftables table of "tap0" in family netdev is gone or changed; ${REMEDY}`,
      `"tap0" has lost 169.254.75.10, at which the guest is served; ${REMEDY}`,
      'net.ipv4.ip_unprivileged_port_start is "1024" instead of "67"',
    ]);
    const { stdout, exitCode } = await tapwire(['inspect', netns.path]);
    assert.is(exitCode, 1);
    assert.match(stdout, '  services   unknown: the nftables table is gone or changed\n');
  }, SERVED));

test('reports rules on a pod link whose tap is gone', () =>
  withWiredPod(async ({ netns }) => {
    await netns.ip('link del tap0');
    const { stdout, exitCode } = await tapwire(['inspect', netns.path]);
    assert.is(exitCode, 1);
    assert.match(stdout, /^ {2}stray {6}"eth0" has rules for frames \(3 filters\) that look like Tapwire's/m);
    assert.match(stdout, /^ {2}stray {6}nftables tables "tapwire-[0-9a-f]{16}" drop what the pod sends/m);
  }, SERVED));

test.run();
