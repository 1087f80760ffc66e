/** What a soak has seen, and what is wrong with it. */

/** Served by the agent, or without one. */
export type Way = 'agent' | 'one-shot';

export interface Outcome {
  readonly command: string;
  readonly way: Way;
  /** From the start of the caller to its end. */
  readonly ms: number;
  readonly isKilled: boolean;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The agent at one moment. */
export interface Sample {
  /** Which of the agents it was, from 1. */
  readonly agent: number;
  readonly descriptors: number;
  readonly threads: number;
  /** Anonymous memory. */
  readonly mib: number;
}

export interface Seen {
  /** All calls for pods that are not hostile. */
  readonly outcomes: readonly Outcome[];
  readonly samples: readonly Sample[];
  /** Problems that were seen at once: a netns that differs, a probe that failed. */
  readonly problems: readonly string[];
  /** Whether the machine has nothing else to do, so that times say something. */
  readonly isAlone: boolean;
}

/** Limit of the 99th percentile of all calls that were not killed, in ms. */
const MAX_P99 = 1000;
/** The agent's memory limit in daemonset/manifests/base, in MiB. */
const MEMORY_LIMIT = 256;
/**
 * Growth from the second third of an agent's samples to the last one. V8 collects when it likes,
 * and the hostile pod is not always equally hostile.
 */
const MAX_GROWTH = { descriptors: 1.25, threads: 1.1, mib: 1.25 } as const;
/** Samples of a new agent that are not judged: its heap grows to the size that it keeps. */
const UNJUDGED = 30;
/** Further samples that are enough to judge its growth. */
const ENOUGH = 60;
/** Calls without which a percentile says nothing. */
const MIN_CALLS = 300;
/** Problems of one kind that are shown. */
const SHOWN = 5;

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** Returns what is wrong, in sentences. Pure. */
export function findProblems({ outcomes, samples, problems, isAlone }: Seen): readonly string[] {
  const finished = outcomes.filter(({ isKilled }) => !isKilled);
  const times = finished.map(({ ms }) => ms);
  const p99 = percentile(times, 0.99);
  const failed = finished.filter(({ exitCode }) => exitCode !== 0).map(describeFailure);
  return [
    ...(isAlone && finished.length < MIN_CALLS ? [`only ${finished.length} calls were made`] : []),
    ...(isAlone && p99 > MAX_P99 ? [`p99 of all calls is ${p99.toFixed(0)} ms`] : []),
    ...shown(failed, 'calls failed'),
    ...shown(problems, 'problems'),
    ...growthIn(samples),
  ];
}

function shown(all: readonly string[], what: string): readonly string[] {
  const rest = all.length - SHOWN;
  return [...all.slice(0, SHOWN), ...(rest > 0 ? [`and ${rest} more ${what}`] : [])];
}

const describeFailure = ({ command, way, ms, exitCode, stdout, stderr }: Outcome): string =>
  `${command} by ${way} failed after ${ms.toFixed(0)} ms with ${exitCode}: ${stdout.slice(0, 300)} ${stderr.slice(0, 300)}`;

function growthIn(samples: readonly Sample[]): readonly string[] {
  const most = Math.max(...samples.map(({ mib }) => mib));
  const over = most > MEMORY_LIMIT ? [`an agent had ${most.toFixed(0)} MiB, over its limit`] : [];
  const byAgent = Object.values(Object.groupBy(samples, ({ agent }) => agent))
    .map((ofOne = []) => ofOne.slice(UNJUDGED))
    .filter((ofOne) => ofOne.length >= ENOUGH);
  return [...over, ...byAgent.flatMap(growthOf)];
}

function growthOf(ofOne: readonly Sample[]): readonly string[] {
  const third = Math.floor(ofOne.length / 3);
  return (Object.keys(MAX_GROWTH) as (keyof typeof MAX_GROWTH)[]).flatMap((key) => {
    const median = (from: number, to: number) =>
      percentile(
        ofOne.slice(from, to).map((sample) => sample[key]),
        0.5,
      );
    const [early, late] = [median(third, 2 * third), median(2 * third, ofOne.length)];
    return late > early * MAX_GROWTH[key]
      ? [`${key} of agent ${ofOne[0]?.agent} grew from ${early.toFixed(0)} to ${late.toFixed(0)}`]
      : [];
  });
}

/** Describes the calls and the agents, for a terminal. Pure. */
export function describe({ outcomes, samples }: Seen): string {
  const lines = (['agent', 'one-shot'] as const).map((way) => {
    const calls = outcomes.filter((outcome) => outcome.way === way);
    const times = calls.filter(({ isKilled }) => !isKilled).map(({ ms }) => ms);
    const at = (share: number) => `${percentile(times, share).toFixed(0)} ms`;
    const killed = calls.length - times.length;
    return `${way}: ${calls.length} calls, ${killed} callers killed; p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, longest ${at(1)}`;
  });
  const range = (key: 'descriptors' | 'threads' | 'mib') => {
    const values = samples.map((sample) => sample[key]);
    return `${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;
  };
  const agents = new Set(samples.map(({ agent }) => agent)).size;
  return [
    ...lines,
    `${agents} agents: ${range('descriptors')} descriptors, ${range('threads')} threads, ${range('mib')} MiB`,
  ].join('\n');
}
