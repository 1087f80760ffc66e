import type { NetConf } from '../request/config.ts';
import type { BindingActions } from './binding.ts';
import { macvtapBinding } from './macvtap/macvtap.ts';
import { passtBinding } from './passt.ts';
import { tapBinding } from './tap/tap.ts';

/** Returns what ADD and CHECK do for the binding that a configuration names. */
export function bindingOf(conf: NetConf): BindingActions {
  switch (conf.binding) {
    case 'tap':
      return tapBinding(conf);
    case 'macvtap':
      return macvtapBinding(conf);
    case 'passt':
      return passtBinding(conf);
  }
}
