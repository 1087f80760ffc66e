/**
 * Servers of a user without capabilities, on the tap of a pod whose guest has the addresses of the
 * pod. They get the guest's requests, their answers reach the guest, and nothing of it leaves.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RULE_FORMS, type RuleForm } from '../../cni/kernel/rules.ts';
import { SERVER_IPV4, SERVER_IPV6 } from '../../shared/guest-services.ts';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import type { SpoofGuard } from '../../shared/record.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { type FrameSocket, type OpenFrames, withFrames } from '../helpers/pod/frames.ts';
import {
  type AddressedPod,
  GATEWAYS,
  POD_LINKS,
  type PodLinkKind,
  wire,
  withAddressedPod,
} from '../helpers/pod/guarded-pod.ts';
import { canPing, withGuest } from '../helpers/pod/guest.ts';
import {
  addressHex,
  arp,
  BROADCAST,
  ethernet,
  ICMPV6,
  icmpv6,
  ipv4,
  ipv6,
  macHex,
  UDP,
  udp,
  zeros,
} from '../helpers/pod/packets.ts';
import { ADVERTISED, type Servers, withServers } from '../helpers/pod/servers.ts';
import { GUEST_LINK_LOCAL, requestsOf, serviceOf } from '../helpers/pod/service-frames.ts';
import { MAC, OWN4, ROUTER } from '../helpers/pod/spoof-kinds.ts';

const test = suite('services for a guest');

interface Scene {
  /** The guest's end of the tap. */
  readonly guest: FrameSocket;
  readonly network: FrameSocket;
  readonly servers: Servers;
  /** The tap's, from which the servers send. */
  readonly tapMac: string;
}

const withScene = (
  link: PodLinkKind,
  spoofGuard: SpoofGuard,
  form: RuleForm,
  act: (scene: Scene) => Promise<void>,
): Promise<void> =>
  withFrames((open) =>
    withAddressedPod(link, async (pod) => {
      await wire(pod, { guestAddresses: 'pod', spoofGuard }, form);
      await withServersAt(open, pod, 'tap0', 'host0', act);
    }),
  );

/** @param outer the end of the pod link outside */
async function withServersAt(
  open: OpenFrames,
  { netns, outside }: AddressedPod,
  tap: string,
  outer: string,
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const network = await open(outside, 'link', outer);
  const guest = await open(netns, 'tap', tap);
  const [{ address: tapMac }] = JSON.parse(await netns.ip(`-j link show dev ${tap}`));
  await withServers(netns, tap, ROUTER, (servers) => act({ guest, network, servers, tapMac }));
}

/** Waits for a frame that the guest gets, and returns it. */
async function guestGets(
  { guest }: Scene,
  what: string,
  isIt: (frame: string) => boolean,
  from = 0,
): Promise<string> {
  const find = () => guest.received.slice(from).find(isIt);
  await until(`the guest gets ${what}`, () => find() !== undefined);
  return find() ?? '';
}

const payloadOf = (frame: string): string => frame.slice(28);
/** The payload of a frame's UDP packet over IPv4. */
const contentOf4 = (frame: string): string => frame.slice(2 * 42);
const contentOf6 = (frame: string): string => frame.slice(2 * 62);

/** A question for the server's MAC, a lease, and its renewal by unicast from the pod's address. */
async function leases(scene: Scene): Promise<void> {
  const { guest, servers, tapMac } = scene;
  const [discover = ''] = requestsOf(MAC);
  guest.send(discover);
  const offer = await guestGets(scene, 'an offer', (frame) => serviceOf(frame) === 'DHCPv4 answer');
  assert.is(servers.requests[0], `dhcp4 ${contentOf4(discover)}`);
  assert.is(contentOf4(offer), contentOf4(discover));
  assert.is(offer.slice(0, 24), `${macHex(BROADCAST)}${macHex(tapMac)}`, 'from the tap to everybody');
  assert.is(offer.slice(52, 68), `${addressHex(SERVER_IPV4)}ffffffff`, 'from the server to everybody');

  const ask = { operation: 'request', senderMac: MAC, sender: OWN4[0], target: SERVER_IPV4 } as const;
  guest.send(ethernet(MAC, BROADCAST, '0806', arp(ask)));
  const isReply = (frame: string) => frame.slice(24, 28) === '0806' && frame.slice(40, 44) === '0002';
  const reply = await guestGets(scene, "the server's MAC", isReply);
  assert.is(reply.slice(44, 64), `${macHex(tapMac)}${addressHex(SERVER_IPV4)}`);

  const before = guest.received.length;
  const renewal = ipv4({
    from: OWN4[0],
    to: SERVER_IPV4,
    protocol: UDP,
    payload: udp(68, 67, '03'.repeat(240)),
  });
  guest.send(ethernet(MAC, tapMac, '0800', renewal));
  const isAnswer = (frame: string) => serviceOf(frame) === 'DHCPv4 answer';
  assert.is(contentOf4(await guestGets(scene, 'a renewal', isAnswer, before)), '03'.repeat(240));
}

/** The servers look for the guest's MAC before they answer, and the guest looks for theirs. */
async function solicits(scene: Scene): Promise<void> {
  const { guest, servers, tapMac } = scene;
  const [, solicit = ''] = requestsOf(MAC);
  guest.send(solicit);
  const isQuestion = (frame: string) => /^.{24}86dd.{12}3aff.{64}87/.test(frame);
  const question = await guestGets(scene, "a question for the guest's MAC", isQuestion);
  assert.is(question.slice(2 * 62, 2 * 78), addressHex(GUEST_LINK_LOCAL), 'its target');
  const answer = { from: GUEST_LINK_LOCAL, to: SERVER_IPV6 };
  const body = `60000000${addressHex(GUEST_LINK_LOCAL)}0201${macHex(MAC)}`;
  const advertisement = ipv6({ ...answer, next: ICMPV6, payload: icmpv6(answer, 136, body) });
  guest.send(ethernet(MAC, tapMac, '86dd', advertisement));
  const reply = await guestGets(scene, 'an answer', (frame) => serviceOf(frame) === 'DHCPv6 answer');
  assert.ok(servers.requests.includes(`dhcp6 ${contentOf6(solicit)}`));
  assert.is(contentOf6(reply), contentOf6(solicit));
  assert.is(reply.slice(44, 2 * 54), `${addressHex(SERVER_IPV6)}${addressHex(GUEST_LINK_LOCAL)}`);

  const ask = { from: GUEST_LINK_LOCAL, to: 'ff02::1:ff75:10' };
  const asks = icmpv6(ask, 135, `${zeros(4)}${addressHex(SERVER_IPV6)}0101${macHex(MAC)}`);
  guest.send(ethernet(MAC, '33:33:ff:75:00:10', '86dd', ipv6({ ...ask, next: ICMPV6, payload: asks })));
  const isTold = (frame: string) => /^.{24}86dd.{12}3aff.{64}88/.test(frame);
  const told = await guestGets(scene, "the server's MAC", isTold);
  assert.is(told.slice(2 * 62, 2 * 78), addressHex(SERVER_IPV6), 'its target');
}

/** The router advertisement is valid, and comes from the router of the network. */
async function findsRouter(scene: Scene): Promise<void> {
  const { guest, servers, tapMac } = scene;
  guest.send(requestsOf(MAC)[2] ?? '');
  const isIt = (frame: string) => serviceOf(frame) === 'router advertisement';
  const frame = await guestGets(scene, 'a router advertisement', isIt);
  const request = servers.requests.find((line) => line.startsWith('router')) ?? '';
  assert.match(request, /^router 8100....40c0/, 'an echo reply with the id of the socket');
  assert.is(request.slice('router '.length + 16), `0101${macHex(MAC)}`, 'the options of the solicitation');
  assert.is(frame.slice(0, 24), `333300000001${macHex(tapMac)}`);
  const ends = { from: ROUTER, to: 'ff02::1' };
  const { lifetime, mtu } = ADVERTISED;
  const body =
    `40c0${lifetime.toString(16).padStart(4, '0')}${zeros(8)}` +
    `fd03${zeros(6)}${addressHex(ROUTER)}05010000${mtu.toString(16).padStart(8, '0')}`;
  // The kernel chooses a flow label.
  const withoutLabel = payloadOf(frame).replace(/^6......./, '60000000');
  assert.is(withoutLabel, ipv6({ ...ends, next: ICMPV6, payload: icmpv6(ends, 134, body) }));
}

/** Everything that a guest and its servers say to each other, which nobody else hears. */
async function converses(scene: Scene): Promise<void> {
  await leases(scene);
  await solicits(scene);
  await findsRouter(scene);
  assert.equal(scene.network.received, []);
}

const CASES: readonly (readonly [SpoofGuard, readonly RuleForm[]])[] = [
  ['off', ['filters']],
  ['mac', RULE_FORMS],
  ['addresses', RULE_FORMS],
];

for (const [guard, forms] of CASES) {
  for (const form of forms) {
    for (const link of POD_LINKS) {
      test(`${link}, guard "${guard}" as ${form}: servers on the tap get requests, and their answers reach the guest alone`, () =>
        withScene(link, guard, form, converses));
    }
  }
}

test('two guests of a pod have servers of their own, at the same addresses', () =>
  withFrames((open) =>
    withAddressedPod('veth', async (pod) => {
      const link = hashedPodIfname('second');
      await pod.netns.ip(
        `link add ${link} address ${MAC} type veth peer name host1 netns ${pod.outside.name}`,
      );
      await pod.outside.ip('link set host1 addrgenmode none');
      await pod.outside.ip('link set host1 up');
      await pod.netns.ip(`link set ${link} addrgenmode none`);
      await pod.netns.ip(`link set ${link} up`);
      await pod.netns.ip(`addr add 2001:db8:2::10/64 dev ${link} nodad`);
      for (const network of ['default', 'second'])
        await wire(pod, { guestAddresses: 'pod', spoofGuard: 'mac' }, 'program', network);
      await withServersAt(open, pod, 'tap0', 'host0', (first) =>
        withServersAt(open, pod, secondaryTapIfname(link), 'host1', async (second) => {
          await converses(first);
          assert.equal([second.guest.received, second.servers.requests], [[], []]);
          const [frames, requests] = [first.guest.received.length, first.servers.requests.length];
          await converses(second);
          assert.equal([first.guest.received.length, first.servers.requests.length], [frames, requests]);
        }),
      );
    }),
  ));

test("a guest's kernel takes its default route from the router advertisement, and uses it", () =>
  withGuest(MAC, (guest) =>
    withAddressedPod('veth', async (pod) => {
      await pod.outside.ip(`addr add ${ROUTER}/64 dev host0 nodad`);
      await pod.outside.ip(`addr add ${GATEWAYS[1]}/64 dev host0 nodad`);
      await wire(pod, { guestAddresses: 'pod', spoofGuard: 'addresses' });
      await guest.netns.ip('link set nic0 addrgenmode eui64');
      await guest.plugInto(pod.netns, () =>
        withServers(pod.netns, 'tap0', ROUTER, async () => {
          await guest.netns.ip('link set nic0 up');
          await guest.netns.ip('addr add 2001:db8::10/128 dev nic0 nodad');
          const route = async () => guest.netns.ip('-6 route show default');
          await until('the guest has a default route', async () => (await route()).includes(ROUTER));
          assert.match(await route(), /via fe80::1 dev nic0 proto ra .* mtu 1400/);
          assert.ok(await canPing(guest.netns, GATEWAYS[1]));
        }),
      );
    }),
  ));

test.run();
