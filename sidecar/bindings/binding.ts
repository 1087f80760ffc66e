import type { BoundInterface } from '../domain/bound-interface.ts';
import type { Observed } from '../pod/observe.ts';
import type { Vmi, VmiInterface } from '../vmi/vmi.ts';

/** How one interface appears in the domain, and what else the domain needs for it. */
export interface Bound extends Pick<BoundInterface, 'render' | 'needs'> {
  /** Sentences about settings that work, but perhaps not as the administrator intended. */
  readonly warnings: readonly string[];
}

/**
 * Decides how an interface of the VMI appears in the domain. Each kind of binding has one such
 * function.
 *
 * Pure. virt-launcher passes each response back in its next call, without the parts that it did not
 * understand. So no decision may depend on an earlier one: take only what other programs decide,
 * such as the PCI address, from the current element.
 *
 * @throws {BindingError} if the guest could not start or be reached with the pod's links
 */
export type BindInterface = (vmi: Vmi, one: VmiInterface, observed: Observed) => Bound;
