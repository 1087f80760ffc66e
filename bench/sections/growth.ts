import { type Attachment, attach, type Bench, call, requireSuccess, toJob } from '../bench.ts';
import { type Sample, toCost } from '../cost.ts';
import { FLOOR } from '../node.ts';
import type { Peer } from '../peers.ts';
import { addPods, type Pod, pause, removePods } from '../pods.ts';
import { AGENT, ALONE, BRIDGE, type GrowthCosts } from '../results.ts';
import { shuffled } from '../statistics.ts';
import { WARM_UP } from './calls.ts';

const POPULATIONS = [1, 50, 250];
const AT_ONCE = 25;

/**
 * Measures ADD on a node with many pods. For Tapwire, also measures a C program that makes the same
 * kernel requests.
 */
export async function measureGrowth(bench: Bench): Promise<readonly GrowthCosts[]> {
  const named = (name: string) => bench.peers.find((peer) => peer.name === name);
  const subjects = [named(AGENT) ?? named(ALONE), named(BRIDGE)].filter((peer) => peer !== undefined);
  const costs: GrowthCosts[] = [];
  for (const pods of POPULATIONS) {
    for (const peer of shuffled(subjects, Math.random)) costs.push(await measureAmong(bench, peer, pods));
  }
  return costs;
}

async function measureAmong(bench: Bench, peer: Peer, count: number): Promise<GrowthCosts> {
  const population = await addPods(count);
  for (let from = 0; from < count; from += AT_ONCE)
    await wire(bench, peer, population.slice(from, from + AT_ONCE));
  await pause(1000); // until the bridge's new ports and all addresses are ready

  const floor: Peer | null =
    peer.name === BRIDGE ? null : { ...peer, name: 'floor', program: FLOOR, agent: null };
  const contestants = [peer, floor].filter((one) => one !== null);
  const samples = new Map<Peer, Sample[]>(contestants.map((one) => [one, []]));
  for (let round = 1 - WARM_UP; round <= bench.rounds; round++) {
    bench.tell(`${count} pods of ${peer.name}, round ${Math.max(round, 0)} of ${bench.rounds}`);
    const pods = await addPods(contestants.length);
    for (const [index, one] of shuffled(contestants, Math.random).entries()) {
      const sample = await call(bench, 'ADD', attach(one, pods[index] as Pod));
      if (round > 0) samples.get(one)?.push(sample);
    }
    await removePods(pods);
  }
  await removePods(population);
  return {
    peer: peer.name,
    pods: count,
    add: toCost(samples.get(peer) ?? []),
    kernel: floor === null ? null : toCost(samples.get(floor) ?? []),
  };
}

async function wire(bench: Bench, peer: Peer, pods: readonly Pod[]): Promise<void> {
  const attachments = pods.map((pod): Attachment => attach(peer, pod));
  const { outcomes } = await bench.runner.run(attachments.map((attachment) => toJob('ADD', attachment)));
  for (const [index, outcome] of outcomes.entries())
    requireSuccess('ADD', attachments[index] as Attachment, outcome);
}
