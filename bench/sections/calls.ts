import { attach, type Bench, call, requireEffect, toJob } from '../bench.ts';
import { type Sample, toCost } from '../cost.ts';
import type { Peer } from '../peers.ts';
import { addPods, type Pod, removePods } from '../pods.ts';
import { ALONE, BRIDGE, type CallCosts } from '../results.ts';
import { shuffled } from '../statistics.ts';

/**
 * Rounds that are not counted. In them, the bridge is created, code is compiled, and files are read
 * for the first time.
 */
export const WARM_UP = 3;

interface Measured {
  readonly peer: Peer;
  readonly adds: Sample[];
  readonly dels: Sample[];
  afterDel: { tried: number; done: number };
}

/**
 * Measures ADD and DEL of each peer, one by one. Tapwire without its agent is measured afterwards,
 * together with the bridge: a node with the agent never starts Node for a call, and a Node process
 * between the other calls would evict what a node has in its caches.
 */
export async function measureCalls(bench: Bench): Promise<readonly CallCosts[]> {
  const alone = bench.peers.filter(({ name }) => name === ALONE);
  const others = bench.peers.filter(({ name }) => name !== ALONE);
  const bridge = bench.peers.filter(({ name }) => name === BRIDGE);
  const together = await measureTogether(bench, others);
  const apart = await measureTogether(bench, [...alone, ...bridge]);
  return [...together, ...apart.filter(({ peer }) => peer === ALONE)];
}

/** Measures all peers once in each round, in random order, each in a new pod. */
export async function measureTogether(bench: Bench, peers: readonly Peer[]): Promise<readonly CallCosts[]> {
  const measured = peers.map(
    (peer): Measured => ({ peer, adds: [], dels: [], afterDel: { tried: 0, done: 0 } }),
  );
  for (let round = 1 - WARM_UP; round <= bench.rounds; round++) {
    bench.tell(`round ${Math.max(round, 0)} of ${bench.rounds}`);
    const pods = await addPods(measured.length);
    for (const [index, one] of shuffled(measured, Math.random).entries()) {
      await measure(bench, one, pods[index] as Pod, round > 0);
    }
    await removePods(pods);
  }
  return measured.map(({ peer, adds, dels, afterDel }) => ({
    peer: peer.name,
    add: toCost(adds),
    del: toCost(dels),
    addBehindDel: afterDel,
  }));
}

async function measure(
  bench: Bench,
  { peer, adds, dels, afterDel }: Measured,
  pod: Pod,
  counts: boolean,
): Promise<void> {
  const attachment = attach(peer, pod);
  const add = await call(bench, 'ADD', attachment);
  const del = await call(bench, 'DEL', attachment);
  if (!counts) return;
  adds.push(add);
  dels.push(del);
  afterDel.tried += 1;
  if (await addsAfterDel(bench, attachment)) afterDel.done += 1;
}

/** Whether an ADD succeeds immediately after the DEL of the same attachment. */
async function addsAfterDel(bench: Bench, attachment: ReturnType<typeof attach>): Promise<boolean> {
  for (const command of ['ADD', 'DEL', 'ADD'] as const) {
    const { outcomes } = await bench.runner.run([toJob(command, attachment)]);
    if (outcomes.some(({ status }) => status !== 0)) return false;
  }
  await requireEffect('ADD', attachment);
  await call(bench, 'DEL', attachment);
  return true;
}
