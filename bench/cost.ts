import { type Spread, spread } from './statistics.ts';

/** The measurement of one call. */
export interface Sample {
  /** From start to exit, ms. */
  readonly wall: number;
  /** User and system time of the called process and its children, ms. */
  readonly cpu: number;
  /**
   * User and system time of the agent during the call, ms; 0 if the peer does not use the agent.
   */
  readonly agentCpu: number;
  /**
   * Peak memory of the called process, KiB. The kernel counts in batches of a few dozen pages, so
   * the smallest programs have 0.
   */
  readonly memory: number;
}

/** The cost of a call, over all measurements. */
export interface Cost {
  /** From start to exit, ms. */
  readonly wall: Spread;
  /** CPU time of the called process, ms. */
  readonly cpu: Spread;
  /** CPU time of the agent, ms. */
  readonly agentCpu: Spread;
  /** Peak memory of the called process, KiB. */
  readonly memory: Spread;
}

export const toCost = (samples: readonly Sample[]): Cost => ({
  wall: spread(samples.map(({ wall }) => wall)),
  cpu: spread(samples.map(({ cpu }) => cpu)),
  agentCpu: spread(samples.map(({ agentCpu }) => agentCpu)),
  memory: spread(samples.map(({ memory }) => memory)),
});
