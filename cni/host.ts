import type { Kernel } from './kernel/kernel.ts';
import type { Signal } from './plan/apply.ts';
import type { NodePolicy } from './policy/node-policy.ts';

/** How the core reaches what is around it; the executable and the agent differ in nothing else. */
export interface CallContext {
  /**
   * A descriptor of the netns at CNI_NETNS, for the core to close; null where it is gone.
   *
   * @throws {BindingError} INVALID_NETNS
   */
  openNetns(path: string): number | null;
  /** A way into that netns. */
  openKernel(netns: number): Kernel;
  /** How long to wait for whoever changes the netns now, in ms; 0 where our caller has done so. */
  readonly lockTimeout: number;
  /** @throws {BindingError} NOT_ALLOWED */
  readNodePolicy(): NodePolicy;
  /** Aborted with a BindingError once nobody waits for the answer any more: ADD is taken back then. */
  readonly signal?: Signal;
}
