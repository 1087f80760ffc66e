import type { DevicesOf } from '../shared/kubelet/pod-devices.ts';
import type { Kernel } from './kernel/kernel.ts';
import type { Signal } from './plan/apply.ts';
import type { NodePolicy } from './policy/node-policy.ts';

/** What a call needs from its surroundings. The executable and the agent differ only in this. */
export interface CallContext {
  /**
   * Opens the netns at CNI_NETNS. The caller closes the descriptor. Null if the netns no longer
   * exists.
   *
   * @throws {BindingError} INVALID_NETNS
   */
  openNetns(path: string): number | null;
  /** Gives access to that netns. */
  openKernel(netns: number): Kernel;
  /**
   * How long to wait for another call that holds the netns, in ms; 0 if the shim has already
   * waited.
   */
  readonly lockTimeout: number;
  /** @throws {BindingError} NOT_ALLOWED */
  readNodePolicy(): NodePolicy;
  readonly devicesOf: DevicesOf;
  /** Where the device nodes of the node are. */
  readonly deviceDirectory: string;
  /**
   * Aborted with a BindingError once the client no longer waits for a result: ADD is then rolled
   * back.
   */
  readonly signal?: Signal;
}
