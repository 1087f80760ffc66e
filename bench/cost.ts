import { type Spread, spread } from './statistics.ts';

/** What one call took. */
export interface Sample {
  /** From start to exit, ms. */
  readonly wall: number;
  /** User and system time of the called process and what it waited for, ms. */
  readonly cpu: number;
  /** User and system time of the agent meanwhile, ms; 0 where it has no part in it. */
  readonly agentCpu: number;
  /** Peak of the called process, KiB. The kernel counts it in batches: a few dozen pages are 0. */
  readonly memory: number;
}

/** What a call costs. */
export interface Cost {
  /** ms */
  readonly wall: Spread;
  /** Of the called process, ms. */
  readonly cpu: Spread;
  /** ms */
  readonly agentCpu: Spread;
  /** KiB */
  readonly memory: Spread;
}

export const toCost = (samples: readonly Sample[]): Cost => ({
  wall: spread(samples.map(({ wall }) => wall)),
  cpu: spread(samples.map(({ cpu }) => cpu)),
  agentCpu: spread(samples.map(({ agentCpu }) => agentCpu)),
  memory: spread(samples.map(({ memory }) => memory)),
});
