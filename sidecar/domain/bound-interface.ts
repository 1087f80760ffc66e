import type { NewElement } from '../xml/markup.ts';
import type { Element } from '../xml/xml.ts';
import type { QemuArgument } from './qemu-commandline.ts';
import type { QemuOverride } from './qemu-override.ts';

/** A domain interface to be written. */
export interface BoundInterface {
  /** Name of the interface in the VMI, for messages. */
  readonly name: string;
  readonly alias: string;
  /** Creates the new element. `current` is the element that has the alias now. */
  readonly render: (current: Element | undefined) => NewElement;
  readonly needs: DomainNeeds;
}

/** What an interface needs in the domain besides its own element. */
export interface DomainNeeds {
  readonly arguments: readonly QemuArgument[];
  readonly overrides: readonly QemuOverride[];
}

export const NO_NEEDS: DomainNeeds = { arguments: [], overrides: [] };

/** An interface with its current and its new element. */
export interface RenderedInterface {
  readonly name: string;
  readonly current: Element | undefined;
  readonly next: NewElement;
}
