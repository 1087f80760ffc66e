/**
 * Captures on both sides of a pod, on a network with servers of DHCP, DHCPv6 and router
 * advertisements. If the guest has the addresses of the pod, the servers and the guest do not hear
 * each other, and all else passes. Otherwise they do, which proves that the test can fail.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SpoofGuard } from '../../shared/record.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { withDnsmasq } from '../helpers/pod/dnsmasq.ts';
import { frameOf, kindsUpTo, PEER_MAC } from '../helpers/pod/frame-kinds.ts';
import { type FrameSocket, withFrames } from '../helpers/pod/frames.ts';
import {
  type AddressedPod,
  GATEWAYS,
  type Passing,
  POD_LINKS,
  type PodLinkKind,
  wire,
  withAddressedPod,
} from '../helpers/pod/guarded-pod.ts';
import { withGuest } from '../helpers/pod/guest.ts';
import { macHex } from '../helpers/pod/packets.ts';
import {
  ANSWERS,
  GUEST_LINK_LOCAL,
  REQUESTS,
  requestsOf,
  type Service,
  serviceOf,
} from '../helpers/pod/service-frames.ts';
import { MAC, ROUTER } from '../helpers/pod/spoof-kinds.ts';

const test = suite('isolation from the servers of a network');

const SERVERS = [
  '--dhcp-range=192.0.2.100,192.0.2.200,255.255.255.0,1h',
  '--enable-ra',
  '--dhcp-range=2001:db8::1000,2001:db8::2000,64',
];

interface Captures {
  readonly guest: FrameSocket;
  readonly network: FrameSocket;
}

/** A wired pod on a network with servers. */
const withServers = (
  link: PodLinkKind,
  passing: Passing,
  act: (pod: AddressedPod) => Promise<void>,
): Promise<void> =>
  withAddressedPod(link, async (pod) => {
    await pod.outside.ip(`addr add ${GATEWAYS[0]}/24 dev host0`);
    for (const own of [GATEWAYS[1], ROUTER]) await pod.outside.ip(`addr add ${own}/64 dev host0 nodad`);
    await pod.outside.ip(`neigh add ${GUEST_LINK_LOCAL} lladdr ${MAC} dev host0 nud permanent`);
    await wire(pod, passing);
    await withDnsmasq(pod.outside, 'host0', SERVERS, () => act(pod));
  });

const withCaptures = (
  link: PodLinkKind,
  passing: Passing,
  act: (captures: Captures) => Promise<void>,
): Promise<void> =>
  withFrames((open) =>
    withServers(link, passing, async ({ netns, outside }) => {
      const network = await open(outside, 'link', 'host0');
      await act({ guest: await open(netns, 'tap', 'tap0'), network });
    }),
  );

const servicesIn = ({ received }: FrameSocket): readonly (Service | null)[] =>
  [...new Set(received.map(serviceOf))].filter((service) => service !== null);

/** Returns the answers of the servers to a guest that they hear. */
async function heardAnswers(link: PodLinkKind): Promise<readonly string[]> {
  let answers: readonly string[] = [];
  await withCaptures(link, { guestAddresses: 'network', spoofGuard: 'off' }, async ({ guest, network }) => {
    for (const request of requestsOf(MAC)) guest.send(request);
    await until('every request reaches the network', () =>
      REQUESTS.every((one) => servicesIn(network).includes(one)),
    );
    await until('every answer reaches the guest', () =>
      ANSWERS.every((one) => servicesIn(guest).includes(one)),
    );
    answers = guest.received.filter((frame) => ANSWERS.some((one) => one === serviceOf(frame)));
  });
  return answers;
}

/** Kinds of frames that pass in both directions, if the guard does not look at addresses. */
const KINDS = kindsUpTo(1500);

async function allElsePasses({ guest, network }: Captures, guard: SpoofGuard): Promise<void> {
  const into = KINDS.map((kind) => frameOf(PEER_MAC, macHex(MAC), kind));
  const out = guard === 'addresses' ? [] : KINDS.map((kind) => frameOf(macHex(MAC), PEER_MAC, kind));
  for (const frame of into) network.send(frame);
  for (const frame of out) guest.send(frame);
  await until(
    'all other frames arrive',
    () =>
      into.every((frame) => guest.received.includes(frame)) &&
      out.every((frame) => network.received.includes(frame)),
  );
}

for (const link of POD_LINKS) {
  test(`${link}: nothing of the servers reaches the guest, nothing of its requests leaves, and all else passes`, async () => {
    const answers = await heardAnswers(link);
    for (const spoofGuard of ['off', 'mac', 'addresses'] as const) {
      await withCaptures(link, { guestAddresses: 'pod', spoofGuard }, async (captures) => {
        const { guest, network } = captures;
        for (const request of requestsOf(MAC)) guest.send(request);
        for (const answer of answers) network.send(answer);
        await allElsePasses(captures, spoofGuard);
        assert.equal([servicesIn(guest), servicesIn(network)], [[], []], `guard "${spoofGuard}"`);
      });
    }
  });
}

for (const guestAddresses of ['network', 'pod'] as const) {
  const hears = guestAddresses === 'network';
  test(`a guest with a kernel and a DHCP client gets ${hears ? 'what' : 'nothing that'} the servers offer`, () =>
    withGuest(MAC, (guest) =>
      withServers('veth', { guestAddresses, spoofGuard: 'off' }, async ({ netns }) => {
        await guest.netns.ip('link set nic0 addrgenmode eui64');
        await guest.plugInto(netns, async () => {
          await guest.netns.ip('link set nic0 up');
          assert.is(await guest.getsLease(), hears);
          const advertised = async () => (await guest.netns.ip('-6 route')).includes(`default via ${ROUTER}`);
          if (hears) await until('the guest has a default route', advertised);
          assert.is(await advertised(), hears);
          if (hears) return;
          await guest.netns.ip('addr add 192.0.2.10/24 dev nic0');
          assert.ok(await guest.canPing());
        });
      }),
    ));
}

test.run();
