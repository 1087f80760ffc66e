import type { Binding } from './binding.ts';
import { bindPasst } from './passt.ts';
import { bindSlirp } from './slirp.ts';
import { bindTap } from './tap.ts';

/** Every kind of binding by its name, which is a word of the names that KubeVirt knows it by. */
export const BINDINGS = { tap: bindTap, passt: bindPasst, slirp: bindSlirp } as const satisfies Record<
  string,
  Binding
>;

export type BindingKind = keyof typeof BINDINGS;

export const BINDING_KINDS = Object.keys(BINDINGS) as readonly BindingKind[];
