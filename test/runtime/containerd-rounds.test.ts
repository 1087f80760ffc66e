/** Ten pods at once, fifty times: after the last round the node is as it was after the first. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { assertWired, BRIDGE, ourLog, TAPWIRE, TUNING } from '../helpers/cluster/containerd/chain.ts';
import { configureNetwork, type Node, withNode, writeNodeFile } from '../helpers/cluster/containerd/node.ts';
import {
  descriptorsOf,
  filesOf,
  leases,
  nothingLeft,
  runPod,
  settled,
} from '../helpers/cluster/containerd/pods.ts';
import { WAY } from '../helpers/plugin/way.ts';

const test = suite('containerd: pods at once');

const PODS = 10;
/** Without an agent, a node runs one call at a time, each in a process of its own. */
const ROUNDS = WAY === 'fallback' ? 15 : 50;

/** The things that must not grow, one line for each. */
const standing = (node: Node): readonly string[] => [
  ...[node.containerd, ...(node.agent === null ? [] : [node.agent])].flatMap((pid) =>
    descriptorsOf(pid).map((descriptor) => `descriptor ${descriptor} of ${pid}`),
  ),
  ...readFileSync(`/proc/${node.containerd}/mountinfo`, 'utf8').trim().split('\n'),
  ...filesOf(node),
];

/** Starts the pods and ends them, all at once, and inspects this many of them in between. */
async function round(node: Node, inspected: number): Promise<void> {
  const pods = await Promise.all(Array.from({ length: PODS }, () => runPod(node)));
  const addresses = pods.flatMap(({ status }) => status.ips);
  assert.is(new Set(addresses).size, 2 * PODS, 'every pod has addresses of its own');
  assert.equal([...leases(node).keys()], addresses.toSorted());
  await Promise.all(pods.slice(0, inspected).map(assertWired));
  // A running pod is stopped first. The kubelet does that by itself; containerd then calls every
  // plugin's DEL once more.
  await Promise.all(pods.map(({ id }) => node.cri.removePodSandbox(id)));
}

test(`${PODS} pods at once in ${ROUNDS} rounds leave no more links, descriptors, files, mounts and netns than after the first`, () =>
  withNode(async (node) => {
    writeNodeFile(node, { tap: { defaultNetwork: true } });
    await configureNetwork(node, '1.0.0', [BRIDGE, TAPWIRE, TUNING]);

    await round(node, PODS);
    await nothingLeft(node, 'nothing is left after the first round');
    const first = new Set(standing(node));
    for (let count = 2; count < ROUNDS; count++) await round(node, 1);
    await round(node, PODS);
    await nothingLeft(node, 'nothing is left after the last round');
    assert.equal(await settled(() => standing(node).filter((line) => !first.has(line)), []), []);
    assert.equal(ourLog(node), []);
  }));

test.run();
