import {
  type Attachment,
  attach,
  type Bench,
  type Command,
  requireEffect,
  requireSuccess,
  runnerIn,
  toJob,
  workerOf,
} from '../bench.ts';
import { addCgroup } from '../cgroups.ts';
import type { Peer } from '../peers.ts';
import { addPods, type Pod, pause, removePods } from '../pods.ts';
import { AGENT, ALONE, BRIDGE, type Burst, type BurstCosts, MACVLAN, MACVTAP, TAP } from '../results.ts';
import { shuffled, spread } from '../statistics.ts';

/**
 * Numbers of calls at once, and the peers that get them. Not 200 without the agent: so many Node
 * processes take gigabytes and show nothing new.
 */
const BURSTS = [
  { calls: 50, peers: [AGENT, ALONE, BRIDGE] },
  { calls: 200, peers: [AGENT, MACVTAP, MACVLAN, TAP, BRIDGE] },
];
const REPEATS = 5;
/** Pause for the work that a burst leaves for later. */
const QUIET = 500; // ms
/** Number of pods of a burst whose links are checked. */
const LOOKED_INTO = 5;

/** The measurement of one burst. */
type Once = {
  readonly [Key in keyof Burst]: Burst[Key] extends infer T
    ? null extends T
      ? number | null
      : number
    : never;
};

/** Measures 50 and 200 ADDs at once, then as many DELs. */
export async function measureAtOnce(bench: Bench): Promise<readonly BurstCosts[]> {
  const costs: BurstCosts[] = [];
  for (const { calls, peers: names } of BURSTS) {
    const peers = bench.peers.filter(({ name }) => names.includes(name));
    const found = new Map(peers.map(({ name }) => [name, { adds: [] as Once[], dels: [] as Once[] }]));
    for (let repeat = 1; repeat <= Math.min(REPEATS, bench.rounds); repeat++) {
      for (const peer of shuffled(peers, Math.random)) {
        bench.tell(`${calls} at once, ${peer.name}, ${repeat} of ${REPEATS}`);
        const pods = await addPods(calls);
        const attachments = pods.map((pod: Pod) => attach(peer, pod));
        found.get(peer.name)?.adds.push(await burst(bench, 'ADD', attachments));
        found.get(peer.name)?.dels.push(await burst(bench, 'DEL', attachments));
        await removePods(pods);
      }
    }
    for (const [peer, { adds, dels }] of found)
      costs.push({ peer, calls, add: toBurst(adds), del: toBurst(dels) });
  }
  return costs;
}

let made = 0;

async function burst(bench: Bench, command: Command, attachments: readonly Attachment[]): Promise<Once> {
  const peer = attachments[0]?.peer as Peer;
  const agent = workerOf(bench, peer);
  const cgroup = addCgroup(bench.cgroup, `burst${++made}`, null); // a new one: its peak starts at 0
  const runner = runnerIn(cgroup);
  await pause(QUIET);
  agent?.forgetPeak();
  const before = agent?.cpu() ?? 0;
  const { wall, outcomes } = await runner.run(attachments.map((attachment) => toJob(command, attachment)));
  await pause(QUIET);
  const found = {
    wall,
    cpu: outcomes.reduce((sum, { cpu }) => sum + cpu, 0),
    agentCpu: (agent?.cpu() ?? 0) - before,
    memory: cgroup.peak(),
    agentMemory: agent?.peak() ?? null,
  };
  await runner.close();
  for (const [index, outcome] of outcomes.entries()) {
    requireSuccess(command, attachments[index] as Attachment, outcome);
  }
  for (const attachment of shuffled(attachments, Math.random).slice(0, LOOKED_INTO)) {
    await requireEffect(command, attachment);
  }
  return found;
}

function toBurst(found: readonly Once[]): Burst {
  const agentMemory = found.map((once) => once.agentMemory).filter((peak) => peak !== null);
  return {
    wall: spread(found.map(({ wall }) => wall)),
    cpu: spread(found.map(({ cpu }) => cpu)),
    agentCpu: spread(found.map(({ agentCpu }) => agentCpu)),
    memory: spread(found.map(({ memory }) => memory)),
    agentMemory: agentMemory.length === 0 ? null : spread(agentMemory),
  };
}
