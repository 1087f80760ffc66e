import type { Kernel } from '../kernel/kernel.ts';
import type { Level } from '../plan/op.ts';
import type { PrevResult } from '../request/prev-result.ts';
import type { CniRequest } from '../request/request.ts';
import type { Result } from '../result.ts';

export type AttachmentRequest = Pick<
  Extract<CniRequest, { command: 'ADD' | 'CHECK' }>,
  'key' | 'netns' | 'version'
>;

/** What ADD is to change, and to answer once that is done. */
export interface Plan {
  readonly levels: readonly Level[];
  readonly result: Result;
  /** What an admin should know although the pod is wired: a sentence each, with the link or network. */
  readonly warnings: readonly string[];
  /** What to do instead if the first change is refused, and the pod can do without it; null if it cannot. */
  readonly withoutFirst: ((refusal: Error) => Pick<Plan, 'levels' | 'warnings'>) | null;
}

/** How a guest is wired, as far as bindings differ. DEL is the same for all: it takes away what carries the attachment's record. */
export interface BindingActions {
  /** Looks at the netns and decides; changes nothing. */
  plan(kernel: Kernel, request: AttachmentRequest): Promise<Plan>;
  /** @throws {BindingError} WIRING_BROKEN that names every defect */
  check(kernel: Kernel, request: AttachmentRequest, prevResult: PrevResult): Promise<void>;
}
