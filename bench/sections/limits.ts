import { attach, type Bench, call, runnerIn, toJob } from '../bench.ts';
import { addCgroup, type Limits } from '../cgroups.ts';
import { type Sample, toCost } from '../cost.ts';
import type { Peer } from '../peers.ts';
import { addPods, type Pod, pause, removePods } from '../pods.ts';
import { AGENT, ALONE, BRIDGE, type LimitCosts } from '../results.ts';
import type { Runner } from '../runner.ts';
import { shuffled } from '../statistics.ts';
import { WARM_UP } from './calls.ts';

/**
 * The limits in the manifest of Multus' daemon, which apply to it and all plugins that it calls.
 */
const MULTUS: Limits = { cpu: 100, memory: 50 };
/** Pause before a call, longer than the kernel's period: every call starts with its full quota. */
const REPLENISHED = 120; // ms
/**
 * Number of calls at once. Fewer without the agent: 50 Node processes, one after another on a tenth
 * of a CPU, would take minutes.
 */
const atOnce = ({ name }: Peer): number => (name === ALONE ? 10 : 50);

/**
 * Measures ADD in cgroups with these limits. Each peer has its own cgroup, so that no peer uses
 * another's quota. The agent is outside of them.
 */
export async function measureLimits(bench: Bench): Promise<readonly LimitCosts[]> {
  const peers = bench.peers.filter(({ name }) => [AGENT, ALONE, BRIDGE].includes(name));
  const oneByOne = await measureOneByOne(bench, peers);
  const costs: LimitCosts[] = [];
  for (const peer of peers) {
    costs.push({ peer: peer.name, add: toCost(oneByOne.get(peer) ?? []), atOnce: await burst(bench, peer) });
  }
  return costs;
}

async function measureOneByOne(
  bench: Bench,
  peers: readonly Peer[],
): Promise<ReadonlyMap<Peer, readonly Sample[]>> {
  const runners = new Map<Peer, Runner>();
  for (const peer of peers)
    runners.set(peer, runnerIn(addCgroup(bench.cgroup, `limits-${peer.name}`, MULTUS)));
  const samples = new Map<Peer, Sample[]>(peers.map((peer) => [peer, []]));
  for (let round = 1 - WARM_UP; round <= bench.rounds; round++) {
    bench.tell(`one by one, round ${Math.max(round, 0)} of ${bench.rounds}`);
    const pods = await addPods(peers.length);
    for (const [index, peer] of shuffled(peers, Math.random).entries()) {
      await pause(REPLENISHED);
      const sample = await call(bench, 'ADD', attach(peer, pods[index] as Pod), runners.get(peer));
      if (round > 0) samples.get(peer)?.push(sample);
    }
    await removePods(pods);
  }
  for (const runner of runners.values()) await runner.close();
  return samples;
}

/** Counts how many of the calls at once succeed: here, a failure is a result. */
async function burst(bench: Bench, peer: Peer): Promise<LimitCosts['atOnce']> {
  const calls = atOnce(peer);
  bench.tell(`${calls} at once, ${peer.name}`);
  const pods = await addPods(calls);
  const cgroup = addCgroup(bench.cgroup, `limits-${peer.name}-at-once`, MULTUS);
  const runner = runnerIn(cgroup);
  await pause(REPLENISHED);
  const { wall, outcomes } = await runner.run(pods.map((pod) => toJob('ADD', attach(peer, pod))));
  await runner.close();
  await removePods(pods);
  const succeeded = outcomes.filter(({ status }) => status === 0).length;
  return { calls, succeeded, oomKills: cgroup.oomKills(), wall, memory: cgroup.peak() };
}
