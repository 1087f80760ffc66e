/**
 * A live migration between two nodes on one outside bridge: a guest moves from the macvtap of one
 * pod to that of another one, which has the same MAC. For a while, both pods exist.
 */
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { fullResourceName } from '../../../shared/kubelet/device-id.ts';
import { until } from '../agent/agent-node.ts';
import { type OpenFrames, withFrames } from '../pod/frames.ts';
import { type Guest, withGuest } from '../pod/guest.ts';
import { type TestNetns, withNetns } from '../pod/netns.ts';
import { type Call, callOn, environmentOf, netconf, newContainerId } from './cni.ts';
import {
  argsOf,
  BLUE,
  LOWER,
  type MacvtapNode,
  OUTSIDE,
  showMacvtap,
  withMacvtapNode,
} from './macvtap-node.ts';
import { startOther } from './way.ts';

/** Address of the guest, whose subnet all clients are in. */
export const GUEST4 = '192.0.2.50';

export interface Migration {
  readonly node: MacvtapNode;
  /** The calls for the source pod. */
  readonly source: Call;
  /** A pod on the lower device of the source node, with a macvlan in mode bridge. */
  readonly neighbour: TestNetns;
  /** Runs the guest in the source pod. */
  beforeMigration(act: () => Promise<void>): Promise<void>;
  /** Runs the guest in the target pod, and announces it as QEMU does at the end of a migration. */
  afterMigration(act: () => Promise<void>): Promise<void>;
}

/** Port of the bridge that leads to the target node. */
const TARGET_PORT = 'wire1';
/** The pod to which a VM migrates differs from the other one in the suffix of its name. */
const TARGET_POD = { namespace: 'vms', name: 'virt-launcher-vm0-fghij' };

export const withMigration = (act: (migration: Migration) => Promise<void>): Promise<void> =>
  withMacvtapNode((node) =>
    withSome(4, async ([source, target, targetNode, neighbour]) => {
      await connect(node, targetNode, neighbour);
      const call = node.podOf(source);
      await node.succeeds('ADD', call);
      await addTarget(node, targetNode, target);
      const [{ link }, { link: targetLink }] = [await showMacvtap(source), await showMacvtap(target)];
      assert.is(targetLink.address, link.address, 'the pods of a VM have the same MAC');
      await withGuest(link.address, (guest) =>
        withFrames(async (open) => {
          await guest.netns.ip('link set nic0 up');
          await guest.netns.ip(`addr add ${GUEST4}/24 dev nic0`);
          const announce = await announcer(open, guest, link.address);
          await act({
            ...{ node, source: call, neighbour },
            beforeMigration: (use) => guest.plugInto(source, use, `/dev/tap${link.ifindex}`),
            afterMigration: (use) =>
              guest.plugInto(
                target,
                async () => {
                  await until('the bridge has learned where the guest is', () => {
                    announce();
                    return hasLearned(node, link.address);
                  });
                  await use();
                },
                `/dev/tap${targetLink.ifindex}`,
              ),
          });
        }),
      );
      await node.succeeds('DEL', call);
    }),
  );

type Four = readonly [TestNetns, TestNetns, TestNetns, TestNetns];

const withSome = (
  count: number,
  act: (some: Four) => Promise<void>,
  made: readonly TestNetns[] = [],
): Promise<void> =>
  made.length === count
    ? act(made as unknown as Four)
    : withNetns((netns) => withSome(count, act, [...made, netns]));

/** Connects both nodes to a bridge outside, and the neighbour to the source node. */
async function connect(node: MacvtapNode, target: TestNetns, neighbour: TestNetns): Promise<void> {
  const { outside, netns } = node;
  await outside.ip('link add br0 type bridge');
  await outside.ip('addr add 192.0.2.1/24 dev br0');
  await outside.ip(`link add ${TARGET_PORT} type veth peer name ${LOWER} netns ${target.name}`);
  for (const port of [OUTSIDE, TARGET_PORT]) await outside.ip(`link set ${port} master br0 up`);
  await outside.ip('link set br0 up');
  await target.ip(`link set ${LOWER} up`);
  await netns.ip(`link add link ${LOWER} name eth0 netns ${neighbour.name} type macvlan mode bridge`);
  await neighbour.ip('addr add 192.0.2.60/24 dev eth0');
  await neighbour.ip('link set eth0 up');
}

/** Adds the macvtap of the target pod, on its node. */
async function addTarget(node: MacvtapNode, targetNode: TestNetns, pod: TestNetns): Promise<void> {
  const [, id = ''] = node.ids; // another than the source's: both nodes have the same /dev here
  node.kubelet.give(TARGET_POD, fullResourceName(node.resource), [id]);
  const call: Call = {
    netns: pod.path,
    ifname: BLUE,
    containerId: newContainerId(),
    conf: { binding: 'macvtap', deviceID: id },
    env: { CNI_ARGS: argsOf(TARGET_POD) },
  };
  const under = ['/usr/bin/nsenter', `--net=${targetNode.path}`];
  const { nodeFile } = node;
  const agent = await startOther({ under, nodeFile });
  const where = { under, nodeFile, agent };
  const answer = await callOn(where, environmentOf('ADD', call), JSON.stringify(netconf(call)));
  await agent.stop();
  assert.is(answer.exitCode, 0, answer.stdout);
}

async function hasLearned({ outside }: MacvtapNode, mac: string): Promise<boolean> {
  const { stdout } = await execa('bridge', ['-n', outside.name, 'fdb', 'show', 'brport', TARGET_PORT]);
  return stdout.includes(mac);
}

/**
 * The kernel drops frames of a NIC that has just been plugged in, so it must be called again.
 *
 * Source: qemu net/announce.c
 */
async function announcer(open: OpenFrames, { netns }: Guest, mac: string): Promise<() => void> {
  const nic = await open(netns, 'link', 'nic0');
  const digits = mac.replaceAll(':', '');
  const reverseRequest = '0001080006040003';
  const body = `${digits}00000000${digits}00000000`;
  return () => nic.send(`ffffffffffff${digits}8035${reverseRequest}${body}`.padEnd(120, '0'));
}
