/**
 * A pod forwards packets if another of its networks needs that. It must not forward what the guest
 * sends to its servers: only the tap's own stack may get it.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SERVER_IPV6 } from '../../shared/guest-services.ts';
import { until, untilIs } from '../helpers/agent/agent-node.ts';
import { withFrames } from '../helpers/pod/frames.ts';
import { type AddressedPod, inNetns, wire, withAddressedPod } from '../helpers/pod/guarded-pod.ts';
import { addressHex, ethernet, ICMPV6, icmpv6, ipv4, ipv6, UDP, udp, zeros } from '../helpers/pod/packets.ts';
import { MAC, OWN4, OWN6 } from '../helpers/pod/spoof-kinds.ts';

const test = suite('a pod that forwards packets');

const [FAR4, FAR6] = ['198.51.100.5', '2001:db8:5::5'];
const SYSCTLS = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];

/** Gives the pod a second network, and routes to far addresses there; `far0` is its other end. */
async function addOtherNetwork({ netns, outside }: AddressedPod): Promise<void> {
  await netns.ip(`link add other0 type veth peer name far0 netns ${outside.name}`);
  for (const [of, link] of [
    [outside, 'far0'],
    [netns, 'other0'],
  ] as const) {
    await of.ip(`link set ${link} addrgenmode none`);
    await of.ip(`link set ${link} up`);
  }
  await netns.ip('addr add 203.0.113.2/24 dev other0');
  for (const [via, far] of [
    ['203.0.113.1', FAR4],
    ['fe80::99', FAR6],
  ]) {
    await netns.ip(`neigh add ${via} lladdr 02:00:00:00:00:99 dev other0 nud permanent`);
    await netns.ip(`route add ${far} via ${via} dev other0`);
  }
  await inNetns(netns, 'busybox', 'sysctl', '-w', ...SYSCTLS);
}

/** Packets that tc lets up, to other addresses than the pod's. */
function packets(): readonly (readonly [type: string, packet: string])[] {
  const ends = { from: OWN6[0], to: FAR6 };
  const question = icmpv6(ends, 135, `${zeros(4)}${addressHex(SERVER_IPV6)}`);
  return [
    ['0800', ipv4({ from: OWN4[0], to: FAR4, protocol: UDP, payload: udp(68, 67) })],
    ['86dd', ipv6({ ...ends, next: ICMPV6, payload: question })],
  ];
}

test('does not forward what the guest sends to its servers', () =>
  withFrames((open) =>
    withAddressedPod('veth', async (pod) => {
      const { netns, outside } = pod;
      await wire(pod, { guestAddresses: 'pod', spoofGuard: 'off' });
      await addOtherNetwork(pod);
      const [guest, far] = [await open(netns, 'tap', 'tap0'), await open(outside, 'link', 'far0')];
      const forwarded = () =>
        far.received.filter((frame) => [FAR4, FAR6].some((to) => frame.includes(addressHex(to)))).length;
      const [{ address: tapMac }] = JSON.parse(await netns.ip('-j link show dev tap0'));
      const sendAll = () => {
        for (const [type, packet] of packets()) guest.send(ethernet(MAC, tapMac, type, packet));
      };
      const [table] = /tapwire-\S+/.exec(await inNetns(netns, 'nft', 'list', 'tables', 'inet')) ?? [];
      const chain = `chain inet ${table} forward`;

      sendAll();
      const dropped = async () =>
        /tap0" counter packets (\d+)/.exec(await inNetns(netns, 'nft', `list ${chain}`))?.[1];
      await untilIs('the rule drops both', dropped, '2');
      assert.is(forwarded(), 0);

      await inNetns(netns, 'nft', `flush ${chain}`);
      sendAll();
      await until('without the rule, the pod forwards both', () => forwarded() === 2);
    }),
  ));

test.run();
