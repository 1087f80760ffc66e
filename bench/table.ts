import type { Cost } from './cost.ts';
import { BRIDGE, type Burst, ofPeer, type Results } from './results.ts';
import type { Spread } from './statistics.ts';

/** Formats all results as text for a terminal. Pure. */
export function describeResults(results: Results): string {
  const { machine } = results;
  const about = `${machine.cpus} x ${machine.cpu}, ${machine.memory} GiB, Linux ${machine.kernel}, Node ${machine.node}, Go plugins ${machine.plugins}`;
  const parts = [
    callTable,
    burstTable,
    growthTable,
    limitTable,
    floorTable,
    passageTable,
    frameTable,
    hookTable,
  ].map((part) => part(results));
  return [
    `${about}\nMedians in ms, p90 in brackets; "x bridge" is the ratio to Go's bridge in the same run.`,
    ...parts,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function callTable({ calls }: Results): string {
  if (calls === undefined) return '';
  const bridge = ofPeer(calls, BRIDGE);
  const rows = calls.map(({ peer, add, del, addBehindDel: { tried, done } }) => [
    peer,
    ...costCells(add, bridge?.add),
    mib(Math.max(add.memory.median, del.memory.median)),
    ...costCells(del, bridge?.del),
    `${done}/${tried}`,
  ]);
  const head = [
    'one by one',
    'ADD',
    'x bridge',
    'CPU',
    'peak MiB',
    'DEL',
    'x bridge',
    'CPU',
    'ADD after DEL',
  ];
  return table(head, rows);
}

function costCells(cost: Cost, bridge: Cost | undefined): readonly string[] {
  return [time(cost.wall), times(cost.wall, bridge?.wall), cpu(cost)];
}

function burstTable({ atOnce }: Results): string {
  if (atOnce === undefined) return '';
  const rows = atOnce.flatMap(({ peer, calls, add, del }) => {
    const bridge = atOnce.find((other) => other.peer === BRIDGE && other.calls === calls);
    return [
      [`${calls} ADD ${peer}`, ...burstCells(add, bridge?.add)],
      [`${calls} DEL ${peer}`, ...burstCells(del, bridge?.del)],
    ];
  });
  return table(['at once', 'total', 'x bridge', 'CPU', 'total MiB', 'agent MiB'], rows);
}

function burstCells(burst: Burst, bridge: Burst | undefined): readonly string[] {
  const { wall, memory, agentMemory } = burst;
  const agent = agentMemory === null ? '' : fixed(agentMemory.median);
  return [time(wall), times(wall, bridge?.wall), cpu(burst), fixed(memory.median), agent];
}

function growthTable({ growth }: Results): string {
  if (growth === undefined) return '';
  const rows = growth.map(({ peer, pods, add, kernel }) => {
    const first = growth.find((other) => other.peer === peer);
    const floor = kernel === null ? ['', ''] : [time(kernel.wall), times(kernel.wall, first?.kernel?.wall)];
    return [`${pods} of ${peer}`, time(add.wall), times(add.wall, first?.add.wall), ...floor];
  });
  return table(['pods on the node', 'ADD', 'x first', 'same requests in C', 'x first'], rows);
}

function limitTable({ limits }: Results): string {
  if (limits === undefined) return '';
  const bridge = ofPeer(limits, BRIDGE);
  const rows = limits.map(({ peer, add, atOnce: { calls, succeeded, oomKills, wall, memory } }) => [
    ...[peer, time(add.wall), times(add.wall, bridge?.add.wall)],
    ...[`${succeeded}/${calls}`, String(oomKills), fixed(wall), fixed(memory)],
  ]);
  const head = ['100m CPU, 50 MiB', 'ADD', 'x bridge', 'at once', 'OOM kills', 'total', 'total MiB'];
  return table(head, rows);
}

function floorTable({ floor }: Results): string {
  if (floor === undefined) return '';
  const rows = floor.map(({ peer, version, add }) => [
    peer,
    time(version.wall),
    time(add.wall),
    times(add.wall, version.wall),
  ]);
  return table(['empty round trip', 'VERSION', 'ADD', 'x VERSION'], rows);
}

function passageTable({ passage }: Results): string {
  if (passage === undefined) return '';
  const [first] = passage.calls;
  const rows = passage.calls.map(({ peer, add, del }) => [
    peer,
    ...costCells(add, first?.add),
    ...costCells(del, first?.del),
  ]);
  return table(['what may pass', 'ADD', 'x first', 'CPU', 'DEL', 'x first', 'CPU'], rows);
}

function frameTable({ passage }: Results): string {
  if (passage === undefined) return '';
  const [first] = passage.frames;
  const rows = passage.frames.map(({ option, ipv4, ipv6 }) => [
    option,
    ...[time(ipv4), times(ipv4, first?.ipv4), time(ipv6), times(ipv6, first?.ipv6)],
  ]);
  return table(['ns for each frame of a guest', 'IPv4', 'x first', 'IPv6', 'x first'], rows);
}

function hookTable({ hooks }: Results): string {
  if (hooks === undefined) return '';
  const rows = hooks.map(
    ({ interfaces, start, firstReply, emptyNode, first, define, info, memory, oomKills }) => [
      ...[
        `sidecar, ${interfaces} interface${interfaces === 1 ? '' : 's'}`,
        time(start),
        times(start, emptyNode),
        `${fixed(firstReply.median * 100)} %`,
        time(first),
      ],
      ...[`${fixed(define.median)} (${fixed(define.p99)})`, (define.median / info.median).toFixed(2)],
      ...[fixed(memory), String(oomKills)],
    ],
  );
  const head = [
    '64 MB',
    'start, 200m CPU',
    'x empty Node',
    'Info after socket',
    'first hooks',
    'hook, p50 (p99)',
    'x Info',
    'anonymous MiB',
    'OOM kills',
  ];
  return table(head, rows);
}

/** Aligns the columns: the first to the left, the others, numbers, to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => (row[column] ?? '').length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('   ')
      .trimEnd();
  return [line(head), widths.map((width) => '-'.repeat(width)).join('   '), ...rows.map(line)].join('\n');
}

const fixed = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
const mib = (kib: number): string => fixed(kib / 1024);
const time = ({ median, p90 }: Spread): string => `${fixed(median)} (${fixed(p90)})`;
const cpu = ({ cpu: called, agentCpu }: { readonly cpu: Spread; readonly agentCpu: Spread }): string =>
  agentCpu.median === 0 ? fixed(called.median) : `${fixed(called.median)}+${fixed(agentCpu.median)}`;
const times = ({ median }: Spread, base: Spread | undefined): string =>
  base === undefined ? '' : (median / base.median).toFixed(2);
