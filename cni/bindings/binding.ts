import type { DevicesOf } from '../../shared/kubelet/pod-devices.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Level } from '../plan/op.ts';
import type { NodePolicy } from '../policy/node-policy.ts';
import type { PrevResult } from '../request/prev-result.ts';
import type { CniRequest } from '../request/request.ts';
import type { Result } from '../result.ts';

export type AttachmentRequest = Pick<
  Extract<CniRequest, { command: 'ADD' | 'CHECK' }>,
  'key' | 'netns' | 'version' | 'pod'
>;

/** What ADD asks the node for, besides the kernel. */
export interface Surroundings {
  readonly policy: NodePolicy;
  /** @throws {BindingError} TRY_AGAIN, PLUGIN_NOT_AVAILABLE if kubelet does not tell */
  readonly devicesOf: DevicesOf;
}

/** What ADD changes, and the result to return afterwards. */
export interface Plan {
  readonly levels: readonly Level[];
  readonly result: Result;
  /**
   * What an administrator should know although ADD succeeds: a sentence each, with the link or
   * network.
   */
  readonly warnings: readonly string[];
  /**
   * Plans again without the first change, if the kernel refuses it; null if the pod needs that
   * change.
   */
  readonly withoutFirst: ((refusal: Error) => Pick<Plan, 'levels' | 'warnings'>) | null;
}

/**
 * What ADD and CHECK do for a binding. DEL is the same for all: it removes what carries the
 * attachment's record.
 */
export interface BindingActions {
  /** Observes the netns and plans ADD; changes nothing. */
  plan(kernel: Kernel, request: AttachmentRequest, surroundings: Surroundings): Promise<Plan>;
  /**
   * Returns warnings, a sentence each.
   *
   * @throws {BindingError} WIRING_BROKEN that names every defect
   */
  check(kernel: Kernel, request: AttachmentRequest, prevResult: PrevResult): Promise<readonly string[]>;
}
