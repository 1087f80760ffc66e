import type { BoundInterface } from '../domain/bound-interface.ts';
import type { Observed } from '../pod/observe.ts';
import type { Vmi, VmiInterface } from '../vmi/vmi.ts';

/** What one interface becomes. */
export interface Bound extends Pick<BoundInterface, 'render' | 'needs'> {
  /** What works, but not as the admin may have meant it: a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * What a binding makes of an interface of the VMI in the domain.
 *
 * Pure. virt-launcher shows each answer again, less what it did not understand: what we decide must not depend on what we
 * decided before. From the current element comes what others decide, such as the PCI address.
 *
 * @throws {BindingError} when the guest could not start, or not be reached, as the pod is
 */
export type BindInterface = (vmi: Vmi, one: VmiInterface, observed: Observed) => Bound;
