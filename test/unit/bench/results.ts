/** Results as a run produces them, with numbers that a test can tell apart. */
import type { Cost } from '../../../bench/cost.ts';
import { AGENT, ALONE, BRIDGE, type Burst, type Results } from '../../../bench/results.ts';
import type { Spread } from '../../../bench/statistics.ts';

const at = (median: number): Spread => ({ median, p90: median * 1.5, n: 40 });

const cost = (wall: number, memory = 400): Cost => ({
  wall: at(wall),
  cpu: at(wall / 10),
  agentCpu: at(0.4),
  memory: at(memory),
});

const burst = (wall: number, agentMemory: number | null): Burst => ({
  wall: at(wall),
  cpu: at(wall / 5),
  agentCpu: at(60),
  memory: at(13),
  agentMemory: agentMemory === null ? null : at(agentMemory),
});

const behind = { tried: 40, done: 40 };

/** Results that meet all targets. */
export const RESULTS = {
  machine: {
    kernel: '6.18.1-x',
    cpu: 'A "CPU" & more',
    cpus: 2,
    memory: 24,
    node: '24.21.0',
    plugins: '1.1.1+ds1-3',
  },
  calls: [
    { peer: AGENT, add: cost(1), del: cost(1.1), addBehindDel: behind },
    { peer: ALONE, add: cost(27, 52_000), del: cost(26, 52_000), addBehindDel: behind },
    { peer: BRIDGE, add: cost(5, 4800), del: cost(22, 4800), addBehindDel: behind },
  ],
  atOnce: [
    { peer: AGENT, calls: 200, add: burst(120, 67), del: burst(85, 70) },
    { peer: BRIDGE, calls: 200, add: burst(600, null), del: burst(470, null) },
  ],
  growth: [
    { peer: AGENT, pods: 1, add: cost(1), kernel: cost(0.4) },
    { peer: BRIDGE, pods: 1, add: cost(5), kernel: null },
    { peer: AGENT, pods: 250, add: cost(1.5), kernel: cost(0.8) },
  ],
  limits: [
    { peer: AGENT, add: cost(1), atOnce: { calls: 50, succeeded: 50, oomKills: 0, wall: 40, memory: 4 } },
    { peer: BRIDGE, add: cost(5), atOnce: { calls: 50, succeeded: 50, oomKills: 2, wall: 9000, memory: 50 } },
  ],
  floor: [{ peer: AGENT, version: cost(0.4), add: cost(1) }],
  passage: {
    calls: [
      { peer: 'no option', add: cost(2), del: cost(1), addBehindDel: behind },
      { peer: 'spoofGuard mac', add: cost(3), del: cost(1.2), addBehindDel: behind },
    ],
    frames: [
      { option: 'no option', ipv4: at(600), ipv6: at(610) },
      { option: 'spoofGuard mac, program', ipv4: at(660), ipv6: at(671) },
    ],
  },
  hooks: [1, 16].map((interfaces) => ({
    interfaces,
    start: at(500),
    firstReply: at(0.04),
    emptyNode: at(200),
    first: at(4),
    define: { median: 2, p99: 6 },
    info: { median: 1, p99: 3 },
    memory: 29.5,
    oomKills: 0,
  })),
} as const satisfies Results;
