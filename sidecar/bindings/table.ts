import type { Binding } from '../../shared/bindings.ts';
import type { BindInterface } from './binding.ts';
import { bindMacvtap } from './macvtap.ts';
import { bindPasst } from './passt.ts';
import { bindSlirp } from './slirp.ts';
import { bindTap } from './tap.ts';

/** For each binding, the function that turns an interface of the VMI into one of the domain. */
export const BINDERS = {
  tap: bindTap,
  macvtap: bindMacvtap,
  passt: bindPasst,
  slirp: bindSlirp,
} as const satisfies Record<Binding, BindInterface>;
