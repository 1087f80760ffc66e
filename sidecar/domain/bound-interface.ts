import type { NewElement } from '../xml/markup.ts';
import type { Element } from '../xml/xml.ts';
import type { QemuArgument } from './qemu-commandline.ts';
import type { QemuOverride } from './qemu-override.ts';

/** One domain interface to put in place. */
export interface BoundInterface {
  /** The VMI interface's name, for messages. */
  readonly name: string;
  readonly alias: string;
  /** Decides what it looks like, given what the domain has under that alias. */
  readonly render: (current: Element | undefined) => NewElement;
  readonly needs: DomainNeeds;
}

/** What an interface needs of the domain beside its own element. */
export interface DomainNeeds {
  /** Another process than QEMU reads and writes the guest's memory. */
  readonly sharedMemory: boolean;
  readonly arguments: readonly QemuArgument[];
  readonly overrides: readonly QemuOverride[];
}

export const NO_NEEDS: DomainNeeds = { sharedMemory: false, arguments: [], overrides: [] };

/** An interface as it is and as it shall be. */
export interface RenderedInterface {
  readonly name: string;
  readonly current: Element | undefined;
  readonly next: NewElement;
}
