/**
 * A guest reaches no program of its pod that listens on all addresses: neither at the addresses of
 * the pod nor at those of the guest's servers, by no frame that it can make.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RULE_FORMS, type RuleForm } from '../../cni/kernel/rules.ts';
import { SERVER_IPV4, SERVER_IPV6 } from '../../shared/guest-services.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { type FrameSocket, withFrames } from '../helpers/pod/frames.ts';
import {
  type AddressedPod,
  inNetns,
  type Passing,
  POD_LINKS,
  type PodLinkKind,
  wire,
  withAddressedPod,
} from '../helpers/pod/guarded-pod.ts';
import { PORT, withListeners } from '../helpers/pod/listeners.ts';
import {
  BROADCAST,
  ethernet,
  extension,
  FRAGMENT,
  fragment,
  HOP_BY_HOP,
  ICMPV6,
  icmpv6,
  ipv4,
  ipv6,
  TCP,
  tcp,
  tcpOfIpv6,
  UDP,
  udp,
  udpOfIpv6,
  zeros,
} from '../helpers/pod/packets.ts';
import { MAC, OWN4, OWN6 } from '../helpers/pod/spoof-kinds.ts';

const test = suite('programs that listen in the pod');

/** The link-local address of the pod link. */
const LINK_LOCAL = 'fe80::ff:fe00:10';
const TARGETS4 = [...OWN4, SERVER_IPV4, '255.255.255.255', '192.0.2.255', '224.0.0.1', '127.0.0.1'];
const TARGETS6 = [...OWN6, SERVER_IPV6, LINK_LOCAL, 'ff02::1', 'ff02::2', 'ff02::1:2', '::1'];
/** Where packets come from: the guest's own address, and others. */
const SOURCES4 = [OWN4[0], '192.0.2.66', '0.0.0.0'];
const SOURCES6 = [OWN6[0], '2001:db8::66', 'fe80::1234'];
/** Ports from which a guest asks for addresses, and another. */
const [PORTS4, PORTS6] = [
  [68, 5000],
  [546, 5000],
];

function packetsTo4(to: string): readonly string[] {
  return SOURCES4.flatMap((from) => [
    ipv4({ from, to, protocol: TCP, payload: tcp({ from, to }, 40000, PORT) }),
    ipv4({ from, to, protocol: 1, payload: `0800f7fd00010001` }),
    ...PORTS4.flatMap((port) => [
      ipv4({ from, to, protocol: UDP, payload: udp(port, PORT) }),
      ipv4({ from, to, protocol: UDP, payload: udp(port, PORT), options: '01010101' }),
      ipv4({ from, to, protocol: UDP, payload: udp(port, PORT, zeros(16)).slice(0, 32), fragment: 0x2000 }),
      ipv4({ from, to, protocol: UDP, payload: zeros(8), fragment: 2 }),
    ]),
  ]);
}

function packetsTo6(to: string): readonly string[] {
  return SOURCES6.flatMap((from) => {
    const ends = { from, to };
    return [
      ipv6({ ...ends, next: TCP, payload: tcpOfIpv6(ends, 40000, PORT) }),
      ipv6({ ...ends, next: ICMPV6, payload: icmpv6(ends, 128, '00010001') }),
      ...PORTS6.flatMap((port) => {
        const whole = udpOfIpv6(ends, port, PORT);
        return [
          ipv6({ ...ends, next: UDP, payload: whole }),
          ipv6({ ...ends, next: HOP_BY_HOP, payload: extension(UDP) + whole }),
          ipv6({ ...ends, next: FRAGMENT, payload: fragment(UDP, 0, true) + whole }),
          ipv6({ ...ends, next: FRAGMENT, payload: fragment(UDP, 0) + whole.slice(0, 16) }),
          ipv6({ ...ends, next: FRAGMENT, payload: fragment(UDP, 8, true) + whole.slice(16) }),
        ];
      }),
    ];
  });
}

/** All packets, each to the MAC of the tap and to everybody. */
const framesTo = (tap: string): readonly string[] =>
  [tap, BROADCAST].flatMap((mac) => [
    ...TARGETS4.flatMap(packetsTo4).map((packet) => ethernet(MAC, mac, '0800', packet)),
    ...TARGETS6.flatMap(packetsTo6).map((packet) => ethernet(MAC, mac, '86dd', packet)),
  ]);

interface Reached {
  /** Datagrams that the program got. */
  readonly datagrams: readonly string[];
  /** Packets of the guest that the pod's own stack saw, by protocol. */
  readonly tcp: number;
  readonly udp: number;
  readonly all: number;
  /** Frames that the guest got as an answer. */
  readonly answers: readonly string[];
}

const COUNTERS = `table inet test {
  counter count_all {}
  counter count_tcp {}
  counter count_udp {}
  chain mine { meta l4proto tcp counter name count_tcp; meta l4proto udp counter name count_udp; }
  chain own { type filter hook input priority -400; iifname "tap0" jump mine; }
  chain seen { type filter hook prerouting priority -400; iifname "tap0" counter name count_all; }
}`;

/** Sends all frames, and returns what reached the pod. */
async function tryPorts({ netns }: AddressedPod, guest: FrameSocket): Promise<Reached> {
  await inNetns(netns, 'nft', COUNTERS);
  const read = async () => JSON.parse(await netns.ip('-s -j link show dev tap0'))[0];
  return withListeners(netns, async ({ received }) => {
    const before = await read();
    const frames = framesTo(before.address);
    for (const frame of frames) guest.send(frame);
    await until(
      'the tap has all frames',
      async () => (await read()).stats64.rx.packets >= before.stats64.rx.packets + frames.length,
    );
    const datagrams = await received();
    const counted = async (name: 'all' | 'tcp' | 'udp'): Promise<number> =>
      Number(/packets (\d+)/.exec(await inNetns(netns, 'nft', `list counter inet test count_${name}`))?.[1]);
    return {
      datagrams,
      tcp: await counted('tcp'),
      udp: await counted('udp'),
      all: await counted('all'),
      // A macvlan returns broadcasts to who sent them.
      answers: guest.received.filter((frame) => !frames.includes(frame)),
    };
  });
}

const NOTHING: Reached = { datagrams: [], tcp: 0, udp: 0, all: 0, answers: [] };

const withWired = (
  link: PodLinkKind,
  passing: Passing,
  form: RuleForm,
  act: (pod: AddressedPod, guest: FrameSocket) => Promise<void>,
): Promise<void> =>
  withFrames((open) =>
    withAddressedPod(link, async (pod) => {
      await pod.netns.ip(`addr add ${LINK_LOCAL}/64 dev eth0 nodad`);
      await wire(pod, passing, form);
      await act(pod, await open(pod.netns, 'tap', 'tap0'));
    }),
  );

const CASES: readonly (readonly [Passing, readonly RuleForm[]])[] = [
  [{ guestAddresses: 'network', spoofGuard: 'off' }, ['filters']],
  [{ guestAddresses: 'network', spoofGuard: 'mac' }, RULE_FORMS],
  [{ guestAddresses: 'pod', spoofGuard: 'off' }, ['filters']],
  [{ guestAddresses: 'pod', spoofGuard: 'mac' }, RULE_FORMS],
  [{ guestAddresses: 'pod', spoofGuard: 'addresses' }, RULE_FORMS],
];

for (const [passing, forms] of CASES) {
  const { guestAddresses, spoofGuard } = passing;
  const hasFloor = guestAddresses === 'pod' || spoofGuard !== 'off';
  for (const form of forms) {
    const title = `guard "${spoofGuard}" as ${form}, addresses of the ${guestAddresses}`;
    test(`${title}: the guest reaches no program of the pod${hasFloor ? ', even without the redirect' : ''}`, async () => {
      for (const link of POD_LINKS) {
        await withWired(link, passing, form, async (pod, guest) => {
          assert.equal(await tryPorts(pod, guest), NOTHING, link);
          if (!hasFloor) return;
          await pod.netns.tc('filter del dev tap0 ingress pref 65535');
          await inNetns(pod.netns, 'nft', 'delete table inet test');
          assert.equal(await tryPorts(pod, guest), NOTHING, `${link}, without the redirect`);
        });
      }
    });
  }
}

test('without the floor and the redirect, the guest reaches every program of the pod', () =>
  withWired('veth', { guestAddresses: 'pod', spoofGuard: 'mac' }, 'program', async (pod, guest) => {
    await pod.netns.tc('filter del dev tap0 ingress pref 65535');
    const [table] = /tapwire-\S+/.exec(await inNetns(pod.netns, 'nft', 'list', 'tables', 'netdev')) ?? [];
    await inNetns(pod.netns, 'nft', 'delete', 'table', 'netdev', table ?? '');
    const { datagrams, tcp, udp, all } = await tryPorts(pod, guest);
    for (const family of ['udp4', 'udp6']) {
      assert.ok(datagrams.filter((line) => line.startsWith(family)).length > 10, family);
    }
    assert.ok(Math.min(tcp, udp, all) > 10, `${tcp} ${udp} ${all}`);
  }));

test.run();
