import { attach, type Bench, call } from '../bench.ts';
import { type Sample, toCost } from '../cost.ts';
import { addPods, type Pod, removePods } from '../pods.ts';
import { AGENT, ALONE, type FloorCosts } from '../results.ts';
import { WARM_UP } from './calls.ts';

/**
 * Measures ADD and VERSION, a round trip that does nothing. Without an agent, measures the
 * fallback.
 */
export async function measureFloor(bench: Bench): Promise<readonly FloorCosts[]> {
  const peer = [AGENT, ALONE]
    .map((name) => bench.peers.find((one) => one.name === name))
    .find((one) => one !== undefined);
  if (peer === undefined) return [];
  const [versions, adds]: [Sample[], Sample[]] = [[], []];
  for (let round = 1 - WARM_UP; round <= bench.rounds; round++) {
    bench.tell(`round ${Math.max(round, 0)} of ${bench.rounds}`);
    const pods = await addPods(1);
    const attachment = attach(peer, pods[0] as Pod);
    const version = await call(bench, 'VERSION', attachment);
    const add = await call(bench, 'ADD', attachment);
    await removePods(pods);
    if (round <= 0) continue;
    versions.push(version);
    adds.push(add);
  }
  return [{ peer: peer.name, version: toCost(versions), add: toCost(adds) }];
}
