/**
 * A VM whose guest may use only the addresses and the MAC of its pod. What it sends with others, or
 * to ask for addresses, arrives at the tap and not outside.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SERVER_IPV4, SERVER_IPV6 } from '../../shared/guest-services.ts';
import { PRIMARY_TAP_IFNAME } from '../../shared/kubevirt/names.ts';
import { type Frame, startCapture } from '../helpers/lab/capture.ts';
import { GATEWAY4, GATEWAY6 } from '../helpers/lab/node-network.ts';
import { ip, waitFor } from '../helpers/lab/run.ts';
import { type RunningVm, withVm } from '../helpers/lab/scenario.ts';
import { canPing } from '../helpers/pod/guest.ts';
import { PORT, withListeners } from '../helpers/pod/listeners.ts';
import { testNetns } from '../helpers/pod/netns.ts';

const test = suite('VM under a spoof guard');

/** Addresses of the pod, and others of its subnets. */
const OWN = ['192.0.2.10', '2001:db8:1::10'] as const;
const OTHERS = ['192.0.2.66', '2001:db8:1::66'] as const;
const OTHER_MAC = '02:00:00:00:00:66';

/** What must not leave the pod. The guest sends each of them. */
const FORBIDDEN: Readonly<Record<string, (frame: Frame) => boolean>> = {
  'frames from another MAC': ({ source }) => source === OTHER_MAC,
  'frames with another IPv4 address': ({ text }) => /\b192\.0\.2\.66\b/.test(text),
  'frames with another IPv6 address': ({ text }) => text.includes(OTHERS[1]),
  'requests of DHCPv4': ({ text }) => text.includes('BOOTP/DHCP, Request'),
  'requests of DHCPv6': ({ text }) => text.includes('dhcp6 solicit'),
  'router solicitations': ({ text }) => text.includes('router solicitation'),
};

/** The names of those that are among the frames. */
const forbiddenIn = (frames: readonly Frame[]): readonly string[] =>
  Object.entries(FORBIDDEN).flatMap(([what, matches]) => (frames.some(matches) ? [what] : []));

const CONNECTION = new RegExp(` > (\\S+)\\.${PORT}: Flags \\[S\\]`);

/** The addresses to whose port of the listeners the frames begin a connection. */
const connectionsIn = (frames: readonly Frame[]): readonly string[] => [
  ...new Set(frames.flatMap(({ text }) => CONNECTION.exec(text)?.[1] ?? [])),
];

async function succeedsInGuest({ runInGuest }: RunningVm, command: string): Promise<void> {
  const { status, output } = await runInGuest(command);
  assert.is(status, 0, output);
}

/**
 * Returns which of these commands succeed in the guest. Runs them at once, because failures take
 * seconds.
 */
async function successes({ runInGuest }: RunningVm, commands: readonly string[]): Promise<boolean[]> {
  const jobs = commands.map((command, i) => `{ ${command} >/dev/null 2>&1; echo ${i}=$?; } &`);
  const { output } = await runInGuest(`( ${jobs.join(' ')} wait )`);
  return commands.map((_, i) => output.split('\n').includes(`${i}=0`));
}

/** Gives the guest's NIC this MAC and these addresses instead of those that it has. */
async function become(vm: RunningVm, mac: string, [ipv4, ipv6]: readonly [string, string]): Promise<void> {
  const settings = [
    'link set eth0 down',
    'addr flush dev eth0',
    `link set eth0 address ${mac}`,
    'link set eth0 up',
    `addr add ${ipv4}/24 dev eth0`,
    `addr add ${ipv6}/64 dev eth0`,
    `route add ${SERVER_IPV4} dev eth0`,
  ];
  // The kernel makes an address of IPv6 usable a moment later, and pings from ::1 until then.
  const settle = 'while ip addr show dev eth0 | grep -q tentative; do usleep 10000; done';
  await succeedsInGuest(vm, [...settings.map((words) => `ip ${words}`), settle].join(' && '));
}

/** Which pings are answered: by both gateways, and by the guest at these addresses. */
async function pings(vm: RunningVm, own: readonly string[]): Promise<boolean[]> {
  const { lab } = vm;
  await ip(lab, lab.node, 'neigh flush all');
  const [byGateways, ...byGuest] = await Promise.all([
    successes(
      vm,
      [GATEWAY4, GATEWAY6].map((address) => `ping -c 3 -i 0.2 -W 1 ${address}`),
    ),
    ...own.map((address) => canPing(testNetns(lab.node), address)),
  ]);
  return [...byGateways, ...byGuest];
}

/** Waits until all pings are answered, which may take long on a slow machine. */
const becomesReachable = (vm: RunningVm, own: readonly string[]): Promise<true> =>
  waitFor(vm.lab, 'answer to each ping', async () =>
    (await pings(vm, own)).every((answered) => answered) ? true : undefined,
  );

const NONE = Array(4).fill(false);

const connect = (address: string) => `nc -w 2 ${address} ${PORT} -e true`;

/** Leads the guest's packets for the pod's addresses to the tap. */
const TO_TAP = [
  `ip route add ${OWN[0]} via ${SERVER_IPV4} dev eth0`,
  `ip -6 route add ${OWN[1]} via ${SERVER_IPV6} dev eth0`,
].join(' && ');

/** Ask for addresses, which the sidecar has. */
const ASK4 = 'udhcpc -i eth0 -n -q -s /udhcpc.sh';
const ASK6 =
  'dhclient -6 -1 -d -sf /dhclient.sh -lf /tmp/new6 -pf /tmp/dhclient.pid eth0 >/tmp/dhclient.log 2>&1 & ' +
  'until grep -q Bound /tmp/dhclient.log; do usleep 100000; done; kill $!';

/** Everything that the guest tries under the guard, in the order of the changes of its NIC. */
async function tryAll(vm: RunningVm): Promise<void> {
  const { podLink, lab } = vm;
  const pod = testNetns(lab.pod);
  await withListeners(pod, async () => {
    const own = connect(OWN[0]).split(' ');
    await execa('ip', ['netns', 'exec', pod.name, 'busybox', ...own]); // Others in the pod are answered.

    await become(vm, podLink.mac, OWN);
    await becomesReachable(vm, OWN);
    const ofTap = [SERVER_IPV4, `${SERVER_IPV6}%eth0`];
    assert.equal(await successes(vm, ofTap.map(connect)), [false, false], 'at the tap');
    await succeedsInGuest(vm, `${ASK4} && ${ASK6}`);

    await become(vm, podLink.mac, OTHERS);
    assert.equal(await pings(vm, OTHERS), NONE, 'with other addresses');
    await succeedsInGuest(vm, TO_TAP);
    assert.equal(await successes(vm, OWN.map(connect)), [false, false], 'at the addresses of the pod');
  });

  await become(vm, OTHER_MAC, OWN);
  assert.equal(await pings(vm, OWN), NONE, 'with another MAC');
  await become(vm, podLink.mac, OWN);
  await becomesReachable(vm, OWN);
}

test('a guest has only the addresses and the MAC of the pod, and reaches neither servers outside nor the pod', async () => {
  const scenario = { ifname: 'eth0', conf: { guestAddresses: 'pod', spoofGuard: 'addresses' } };
  const { frames } = await withVm(scenario, async (vm) => {
    const atTap = await startCapture(vm.lab, { port: PRIMARY_TAP_IFNAME }, vm.lab.pod);
    await tryAll(vm);
    // As QEMU does by itself after a migration.
    await vm.virsh('qemu-monitor-command', vm.name, '--hmp', 'announce_self');
    const sent = await atTap.stop();
    assert.equal(forbiddenIn(sent), Object.keys(FORBIDDEN), 'what the guest sends');
    const addresses = [SERVER_IPV4, SERVER_IPV6, ...OWN];
    assert.equal(connectionsIn(sent).toSorted(), addresses.toSorted(), 'what the guest connects to');
  });
  assert.equal(forbiddenIn(frames), [], 'what leaves the pod');
  assert.ok(
    frames.some(({ text }) => text.startsWith('Reverse')),
    'QEMU announces the guest',
  );
});

test.run();
