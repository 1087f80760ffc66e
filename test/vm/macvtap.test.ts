import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startCapture } from '../helpers/lab/capture.ts';
import {
  addMacvtapTo,
  type MacvtapLab,
  type MacvtapVm,
  PORT,
  withMacvtapLab,
  withVmOnMacvtap,
} from '../helpers/lab/macvtap.ts';
import { GATEWAY4, GATEWAY6 } from '../helpers/lab/node-network.ts';
import { waitFor } from '../helpers/lab/run.ts';
import type { Answer, Call } from '../helpers/plugin/cni.ts';
import { BLUE, hasOwnDevice, LOWER, nodePathOf } from '../helpers/plugin/macvtap-node.ts';
import { isAdvertisement, MULTICAST } from '../helpers/pod/ethernet.ts';
import { withFrames } from '../helpers/pod/frames.ts';
import { canPing, GATEWAY, type Guest, withGuest } from '../helpers/pod/guest.ts';
import { dumpNetns, sameNetns, testNetns, withNetns } from '../helpers/pod/netns.ts';

const test = suite('VM on a macvtap');

/** IP header and ICMP header. */
const HEADERS4 = 20 + 8;
const HEADERS6 = 40 + 8;
const NEIGHBOUR4 = '192.0.2.50';
/** Milliseconds. In this time, a link that uses IPv6 solicits routers three times. */
const QUIET = 15_000;

/** Runs a program that stands in for a second VM, with an address of its own. */
const withNeighbour = (
  { node }: MacvtapLab,
  nth: number,
  act: (neighbour: Guest) => Promise<void>,
): Promise<void> =>
  withNetns(async (pod) => {
    const { mac, path, call } = await addMacvtapTo(node, pod, nth);
    await withGuest(mac, async (guest) => {
      await guest.netns.ip('link set nic0 up');
      await guest.netns.ip(`addr add ${NEIGHBOUR4}/24 dev nic0`);
      await guest.plugInto(pod, () => act(guest), path);
    });
    await node.succeeds('DEL', call);
  });

/** The same call with ADD's result, which container runtimes keep for CHECK. */
const after = (call: Call, { json }: Answer): Call => ({ ...call, conf: { ...call.conf, prevResult: json } });

async function guestPings({ runInGuest }: MacvtapVm, address: string, options = ''): Promise<boolean> {
  const { status, output } = await runInGuest(`ping -c 3 -i 0.2 -W 2 ${options} ${address}`);
  console.log(output);
  return status === 0;
}

/** Counters of the node's lower device that a macvtap raises. */
async function lowerFlags({ node }: MacvtapLab) {
  const [{ promiscuity, allmulti }] = JSON.parse(await node.netns.ip(`-d -j link show ${LOWER}`));
  return { promiscuity, allmulti };
}

test('with two queues and MTU 9000 in mode bridge, a guest has all of the outside network, and its neighbours', () =>
  withMacvtapLab({ mtu: 9000 }, async (macvtapLab) => {
    const { lab, node, pod } = macvtapLab;
    const [before, lowerBefore] = [await dumpNetns(pod), await lowerFlags(macvtapLab)];
    const capture = await startCapture(lab, { port: PORT });
    await withQuietPod(macvtapLab, 2, async (quiet) => {
      const call = node.podOf(pod, 0, { queues: 2 });
      // Otherwise the guest would get the frames of the quiet pod.
      await execa('cp', ['-a', quiet.path, nodePathOf(node.ids[0] ?? '')]);
      const add = await node.succeeds('ADD', call);
      await hasOwnDevice(pod);
      await withVmOnMacvtap(macvtapLab, { cores: 2, multiQueue: true }, async (vm) => {
        assert.equal(vm.problems, []);
        assert.match(vm.domain, `<target dev="${BLUE}" managed="no">`);
        assert.equal([vm.nic['queues'], vm.nic['mtu']], ['2', '9000']);
        assert.ok(await guestPings(vm, GATEWAY4, `-s ${9000 - HEADERS4}`), 'a whole packet of 9000 bytes');
        assert.ok(await guestPings(vm, GATEWAY6, `-s ${9000 - HEADERS6}`), 'the same with IPv6');
        await hearsMulticast(macvtapLab, vm);
        await withNeighbour(macvtapLab, 1, async (neighbour) => {
          assert.ok(await guestPings(vm, NEIGHBOUR4), 'the guest reaches its neighbour');
          assert.ok(await canPing(neighbour.netns, vm.address4), 'the neighbour reaches the guest');
        });
        await node.succeeds('CHECK', after(call, add));
      });
      await quiet.settle();
      await node.succeeds('DEL', call);
      const senders = new Set((await capture.stop()).map(({ source }) => source));
      assert.ok(senders.has(quiet.controlMac), 'the capture sees what a pod sends');
      assert.is(senders.has(quiet.mac), false, 'a macvtap without a VM sends nothing');
    });
    sameNetns(await dumpNetns(pod), before);
    assert.equal(await lowerFlags(macvtapLab), lowerBefore, 'the lower device is as it was');
  }));

/**
 * The guest receives neighbour solicitations, since the outside has never heard of it by IPv6, and
 * frames to groups that no router forwards.
 */
async function hearsMulticast({ lab }: MacvtapLab, { runInGuest, address6 }: MacvtapVm): Promise<void> {
  const outside = testNetns(lab.node);
  await outside.ip('-6 neigh flush dev br0');
  assert.ok(await canPing(outside, address6), 'a neighbour solicitation reaches the guest');
  const count = 50;
  const received = async () =>
    Number((await runInGuest('cat /sys/class/net/eth0/statistics/rx_packets')).output);
  await runInGuest('ifconfig eth0 allmulti'); // as a program that listens to these groups
  await withFrames(async (open) => {
    const sender = await open(outside, 'link', PORT);
    for (const [name, frame] of Object.entries(MULTICAST)) {
      const start = await received();
      for (let sent = 0; sent < count; sent++) sender.send(frame);
      await waitFor(lab, `${name} in the guest`, async () =>
        (await received()) >= start + count ? true : undefined,
      );
    }
  });
}

interface QuietPod {
  readonly mac: string;
  /** Path of its device node. */
  readonly path: string;
  /** MAC of a link on the same lower device whose pod does send. */
  readonly controlMac: string;
  /** Waits until the pod could have sent all that a pod sends by itself. */
  settle(): Promise<void>;
}

/** Runs a pod with a macvtap that no VM has opened, which hears router advertisements. */
const withQuietPod = (
  { lab, node }: MacvtapLab,
  nth: number,
  act: (pod: QuietPod) => Promise<void>,
): Promise<void> =>
  withNetns((pod) =>
    withNetns((control) =>
      withFrames(async (open) => {
        await node.netns.ip(
          `link add link ${LOWER} name ${BLUE} netns ${control.name} type macvlan mode bridge`,
        );
        await control.ip(`link set ${BLUE} up`);
        const [{ address: controlMac }] = JSON.parse(await control.ip(`-j link show ${BLUE}`));
        const added = performance.now();
        const { call, mac, path } = await addMacvtapTo(node, pod, nth);
        const arrivals = await open(pod, 'link', BLUE);
        await act({
          mac,
          path,
          controlMac,
          async settle() {
            await waitFor(lab, 'router advertisement in the quiet pod', () => {
              const isOver = performance.now() > added + QUIET;
              return isOver && arrivals.received.some(isAdvertisement) ? true : undefined;
            });
            assert.not.match(await pod.ip(`-6 addr show ${BLUE}`), 'inet6');
          },
        });
        await node.succeeds('DEL', call);
      }),
    ),
  );

test('in mode private, a guest has the outside network, and its neighbours neither reach it nor are reached', () =>
  withMacvtapLab({ entry: { mode: 'private' }, mtu: 1500 }, async (macvtapLab) => {
    const { node, pod } = macvtapLab;
    const call = node.podOf(pod, 0);
    await withNeighbour(macvtapLab, 1, async (neighbour) => {
      const add = await node.succeeds('ADD', call);
      await withVmOnMacvtap(macvtapLab, {}, async (vm) => {
        assert.equal(vm.problems, []);
        assert.ok(await canPing(neighbour.netns, GATEWAY), 'the neighbour has the outside network, too');
        assert.is(await guestPings(vm, NEIGHBOUR4), false, 'the guest does not reach its neighbour');
        assert.is(await canPing(neighbour.netns, vm.address4), false, 'nor its neighbour the guest');
      });
      await node.succeeds('CHECK', after(call, add));
    });
    await node.succeeds('DEL', call);
  }));

test.run();
