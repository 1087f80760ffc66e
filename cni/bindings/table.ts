import type { NetConf } from '../request/config.ts';
import type { BindingActions } from './binding.ts';
import { passtBinding } from './passt.ts';
import { tapBinding } from './tap/tap.ts';

/** The binding that a configuration asks for. */
export function bindingOf(conf: NetConf): BindingActions {
  switch (conf.binding) {
    case 'tap':
      return tapBinding(conf);
    case 'passt':
      return passtBinding(conf);
  }
}
