/**
 * Produces each symptom of docs/no-network.md with a guest on a pod that the plugin wired, and
 * compares the page with what `tapwire` prints. In each test the guest has its network before the
 * fault or after it is repaired, which proves that the fault is the cause.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../helpers/agent/agent-node.ts';
import { assertShown, tapwire } from '../helpers/cluster/command-line.ts';
import { SHOWN_POD, settled, withoutChance } from '../helpers/cluster/inspect-output.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';
import { withDnsmasq } from '../helpers/pod/dnsmasq.ts';
import { canPing, GATEWAY, type Guest, withGuest } from '../helpers/pod/guest.ts';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';
import { CONTAINER_ID, POD, type WiredPod, withResults, withWiredPod } from '../helpers/pod/wired-pod.ts';

const test = suite('docs/no-network.md');

const PAGE = 'docs/no-network.md';
const MAC = '02:00:00:00:00:10';
const TAP_MAC = '02:00:00:00:00:20';
const DHCP = [
  '--dhcp-range=192.0.2.10,192.0.2.10,255.255.255.0,1h',
  `--dhcp-option=option:router,${GATEWAY}`,
];
const ROUTER_ADVERTISEMENTS = ['--enable-ra', '--dhcp-range=2001:db8::,ra-only,64'];

/** Fails unless the page shows the pod as it is now, under a title of its own. */
async function isShown({ netns, withResults }: WiredPod, title: string, status: 0 | 1): Promise<void> {
  const { exitCode, stdout, stderr } = await tapwire(['inspect', POD], withResults);
  assert.is(exitCode, status, `${title}: ${stdout}${stderr}`);
  assertShown(PAGE, `tapwire inspect ${SHOWN_POD}   # ${title}`, withoutChance(netns, stdout));
}

/** A wired pod, and a guest with its MAC whose NIC is not plugged in yet. */
const withGuestAndPod = (act: (guest: Guest, pod: WiredPod) => Promise<void>): Promise<void> =>
  withGuest(MAC, (guest) =>
    withWiredPod(async (pod) => {
      await pod.netns.ip(`link set tap0 address ${TAP_MAC}`);
      await guest.netns.ip('link set nic0 up');
      await act(guest, pod);
    }),
  );

const hasAddress = ({ netns }: Guest, address: string) => netns.ip(`addr add ${address} dev nic0`);

test('frames pass in both directions of a pod that works', () =>
  withGuestAndPod((guest, pod) =>
    withDnsmasq(pod.outside, 'host0', DHCP, () =>
      guest.plugInto(pod.netns, async () => {
        assert.ok(await guest.getsLease());
        assert.ok(await guest.canPing());
        await isShown(pod, 'a VM with a network', 0);
      }),
    ),
  ));

test('no address: no binding was called for the pod', () =>
  withNetns((netns) =>
    withResults(netns, async (words) => {
      const { exitCode, stdout, stderr } = await tapwire(['inspect', POD], words);
      assert.is(exitCode, 0, stderr);
      assertShown(PAGE, `tapwire inspect ${SHOWN_POD}   # no binding was called`, settled(netns, stdout));
    }),
  ));

test('no address: no VM has the tap open, and check says what is wrong with the registration', () =>
  withWiredPod(async (pod) => {
    await pod.netns.ip(`link set tap0 address ${TAP_MAC}`);
    await isShown(pod, 'no VM has the tap open', 0);
    await withDirectory(async (directory) => {
      const command = 'kubectl get kubevirt,network-attachment-definitions,vm -A -o yaml | tapwire check -';
      const pipe = ['sh', '-c', `printf %s "$0" >${directory}/f && exec "$@" <${directory}/f`, MISTAKE];
      const { exitCode, stdout } = await tapwire(['check', '-'], pipe);
      assert.is(exitCode, 1);
      assertShown(PAGE, command, stdout);
    });
  }));

const MISTAKE = `
apiVersion: kubevirt.io/v1
kind: KubeVirt
metadata: {name: kubevirt, namespace: kubevirt}
spec:
  configuration:
    network:
      binding:
        tapwire: {networkAttachmentDefinition: default/tapwire-tap, domainAttachmentType: Tap}
status: {observedKubeVirtVersion: v1.9.0}
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: tapwire-tap, namespace: default}
spec: {config: '{"cniVersion": "1.0.0", "name": "tapwire-tap", "type": "tapwire"}'}
`;

test('no address: the guest asks for none', () =>
  withGuestAndPod((guest, pod) =>
    withDnsmasq(pod.outside, 'host0', DHCP, () =>
      guest.plugInto(pod.netns, async () => {
        await isShown(pod, 'the guest sends nothing', 0);
        assert.ok(await guest.getsLease());
      }),
    ),
  ));

test('no address: nobody on the network answers the guest', () =>
  withGuestAndPod((guest, pod) =>
    guest.plugInto(pod.netns, async () => {
      assert.not(await guest.getsLease());
      await isShown(pod, 'nobody answers the guest', 0);
      await withDnsmasq(pod.outside, 'host0', DHCP, async () => assert.ok(await guest.getsLease()));
    }),
  ));

test('an address but no ping: the network drops what comes from another address than the pod', () =>
  withGuestAndPod((guest, pod) =>
    guest.plugInto(pod.netns, async () => {
      const rules =
        'table ip t { chain c { type filter hook prerouting priority 0; ip saddr != 192.0.2.10 drop; }; }';
      await execa('ip', ['netns', 'exec', pod.outside.name, 'nft', rules]);
      await hasAddress(guest, '192.0.2.77/24');
      await guest.netns.ip(`neigh add ${GATEWAY} lladdr ${await macOf(pod.outside, 'host0')} dev nic0`);
      assert.not(await guest.canPing());
      await isShown(pod, 'the guest has another address than the pod link', 0);
      await guest.netns.ip('addr flush dev nic0');
      await hasAddress(guest, '192.0.2.10/24');
      assert.ok(await guest.canPing());
    }),
  ));

const macOf = async ({ ip }: TestNetns, link: string): Promise<string> =>
  JSON.parse(await ip(`-j link show dev ${link}`))[0].address;

test('an address but no ping: frames arrive with a MAC that is not that of the guest', () =>
  withGuestAndPod((guest, pod) =>
    guest.plugInto(pod.netns, async () => {
      await hasAddress(guest, '192.0.2.10/24');
      await pod.outside.ip('neigh replace 192.0.2.10 lladdr 02:00:00:00:00:99 dev host0 nud permanent');
      assert.not(await canPing(pod.outside, '192.0.2.10'));
      await isShown(pod, 'the guest does not answer', 0);
      await pod.outside.ip(`neigh replace 192.0.2.10 lladdr ${MAC} dev host0 nud permanent`);
      assert.ok(await canPing(pod.outside, '192.0.2.10'));
    }),
  ));

test('one direction only: the redirect from the tap was deleted', () =>
  withGuestAndPod((guest, pod) =>
    guest.plugInto(pod.netns, async () => {
      await hasAddress(guest, '192.0.2.10/24');
      assert.ok(await guest.canPing());
      await pod.netns.tc('filter del dev tap0 ingress');
      assert.not(await guest.canPing());
      await isShown(pod, 'the guest cannot send', 1);
    }),
  ));

test('one direction only: the filter of another program takes the frames for the guest', () =>
  withGuestAndPod((guest, pod) =>
    guest.plugInto(pod.netns, async () => {
      await hasAddress(guest, '192.0.2.10/24');
      await pod.netns.tc('filter add dev eth0 ingress protocol all prio 10 u32 match u32 0 0 flowid 1:1');
      assert.not(await guest.canPing());
      await isShown(pod, 'another filter takes the frames', 1);
      await pod.netns.tc('filter del dev eth0 ingress prio 10');
      assert.ok(await guest.canPing());
    }),
  ));

test('IPv6 missing: no router advertises a prefix', () =>
  withGuestAndPod((guest, pod) =>
    guest.plugInto(pod.netns, async () => {
      await pod.netns.ip('addr del 2001:db8::10/64 dev eth0');
      await hasAddress(guest, '192.0.2.10/24');
      assert.ok(await guest.canPing());
      await isShown(pod, 'a network without IPv6', 0);
      await pod.outside.ip('addr add fe80::1/64 dev host0 nodad');
      await pod.outside.ip('addr add 2001:db8::1/64 dev host0 nodad');
      await guest.netns.ip('link set nic0 down addrgenmode eui64');
      await guest.netns.ip('link set nic0 up');
      await withDnsmasq(pod.outside, 'host0', ROUTER_ADVERTISEMENTS, () =>
        until('the guest has an IPv6 address', async () =>
          (await guest.netns.ip('-6 addr show dev nic0 scope global')).includes('2001:db8::'),
        ),
      );
    }),
  ));

/** Calls `act` with a network outside of pods, whose link `lower0` is the parent of macvlans. */
const withLower = (act: (outside: TestNetns) => Promise<void>): Promise<void> =>
  withNetns(async (outside) => {
    await outside.ip('link add lower0 type veth peer name host0');
    for (const link of ['lower0', 'host0']) {
      await outside.ip(`link set ${link} addrgenmode none`);
      await outside.ip(`link set ${link} up`);
    }
    await outside.ip(`addr add ${GATEWAY}/24 dev host0`);
    await act(outside);
  });

/** Calls `act` with a pod whose pod link is a macvlan with this MAC and address. */
const withMacvlanPod = (
  outside: TestNetns,
  mac: string,
  address: string,
  act: (pod: WiredPod) => Promise<void>,
): Promise<void> =>
  withNetns(async (netns) => {
    await outside.ip(`link add eth0 link lower0 address ${mac} netns ${netns.name} type macvlan mode bridge`);
    await netns.ip('link set eth0 addrgenmode none');
    await netns.ip('link set eth0 up');
    await netns.ip(`addr add ${address}/24 dev eth0`);
    const add = await cni('ADD', { netns: netns.path, containerId: CONTAINER_ID, network: 'default' });
    assert.is(add.exitCode, 0, add.stdout);
    await netns.ip(`link set tap0 address ${TAP_MAC}`);
    await withResults(netns, (words) => act({ netns, outside, withResults: words }));
  });

test('IPv6 missing: the pod link no longer passes all multicast', () =>
  withGuest(MAC, (guest) =>
    withLower((outside) =>
      withMacvlanPod(outside, MAC, '192.0.2.10', (pod) =>
        guest.plugInto(pod.netns, async () => {
          await outside.ip('addr add 2001:db8::1/64 dev host0 nodad');
          await guest.netns.ip('link set nic0 up');
          await hasAddress(guest, '192.0.2.10/24');
          // Not ::10: the pod link joins the multicast group of addresses that end like its MAC.
          await guest.netns.ip('addr add 2001:db8::b0c/64 dev nic0 nodad');
          assert.ok(await guest.canPing(), 'IPv4 works');
          await pod.netns.ip('link set eth0 allmulticast off');
          assert.not(await canPing(outside, '2001:db8::b0c'));
          await isShown(pod, 'the pod link drops multicast', 1);
          await pod.netns.ip('link set eth0 allmulticast on');
          assert.ok(await canPing(outside, '2001:db8::b0c'));
        }),
      ),
    ),
  ));

test('lost after a migration: the link of the second pod has another MAC and address', () =>
  withGuest(MAC, (guest) =>
    withLower(async (outside) => {
      await guest.netns.ip('link set nic0 up');
      await hasAddress(guest, '192.0.2.10/24');
      await withMacvlanPod(outside, MAC, '192.0.2.10', (pod) =>
        guest.plugInto(pod.netns, async () => assert.ok(await guest.canPing())),
      );
      await withMacvlanPod(outside, '02:00:00:00:00:11', '192.0.2.11', (pod) =>
        guest.plugInto(pod.netns, async () => {
          await guest.netns.ip('neigh flush dev nic0');
          assert.not(await guest.canPing());
          await isShown(pod, 'after a migration', 0);
        }),
      );
      await withMacvlanPod(outside, MAC, '192.0.2.11', (pod) =>
        guest.plugInto(pod.netns, async () => assert.ok(await guest.canPing(), 'with the MAC of the VM')),
      );
    }),
  ));

test('works and then stops: a program in the pod sets the pod link down', () =>
  withGuestAndPod((guest, pod) =>
    guest.plugInto(pod.netns, async () => {
      await hasAddress(guest, '192.0.2.10/24');
      assert.ok(await guest.canPing());
      await pod.netns.ip('link set eth0 down');
      assert.not(await guest.canPing());
      await isShown(pod, 'the pod link is down', 1);
      await pod.netns.ip('link set eth0 up');
      assert.ok(await guest.canPing());
    }),
  ));

test('works and then stops: the other end of the pod link goes down', () =>
  withGuestAndPod((guest, pod) =>
    guest.plugInto(pod.netns, async () => {
      await hasAddress(guest, '192.0.2.10/24');
      assert.ok(await guest.canPing());
      await pod.outside.ip('link set host0 down');
      await until('the pod link notices', async () =>
        (await pod.netns.ip('link show dev eth0')).includes('NO-CARRIER'),
      );
      assert.not(await guest.canPing());
      await isShown(pod, 'the other end is down', 0);
      await pod.outside.ip('link set host0 up');
      await pod.outside.ip(`neigh replace 192.0.2.10 lladdr ${MAC} dev host0 nud permanent`);
      assert.ok(await guest.canPing());
    }),
  ));

test('works and then stops: a filter takes the replies of the DHCP server, and the lease ends', () =>
  withGuestAndPod((guest, pod) =>
    withDnsmasq(pod.outside, 'host0', DHCP, () =>
      guest.plugInto(pod.netns, async () => {
        assert.ok(await guest.getsLease());
        const filter = 'dev eth0 ingress protocol ip prio 10 u32';
        await pod.netns.tc(`filter add ${filter} match ip dport 68 0xffff flowid 1:1`);
        assert.not(await guest.getsLease());
        assert.ok(await guest.canPing(), 'other frames pass');
        await isShown(pod, 'the lease is not renewed', 0);
        await pod.netns.tc('filter del dev eth0 ingress prio 10');
        assert.ok(await guest.getsLease());
      }),
    ),
  ));

test.run();
