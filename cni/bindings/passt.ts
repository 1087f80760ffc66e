import { BindingError } from '../../shared/errors.ts';
import type { Sysctls } from '../../shared/netns/part.ts';
import type { Level } from '../plan/op.ts';
import type { PasstConf } from '../request/config.ts';
import type { BindingActions } from './binding.ts';
import { findNarrow, widenSteps } from './widen.ts';

/**
 * Allows passt to run in the pod. libvirt starts it there for the sidecar, as QEMU's user; it opens
 * the guest's ports and sends its pings through sockets, which two sysctls allow. Tapwire neither
 * changes nor reads the pod link.
 *
 * DEL leaves the sysctls as they are: they end with the netns, and until then another attachment or
 * container may rely on them.
 *
 * Source: kubevirt cmd/cniplugins/passt-binding
 */
export function passtBinding(conf: PasstConf): BindingActions {
  return {
    async plan(kernel, { version }) {
      const levels = planPasst(conf, await kernel.readSysctls());
      return {
        levels,
        result: { ...conf.prevResult?.source, cniVersion: version },
        warnings: [],
        withoutFirst: null,
      };
    },
    async check(kernel) {
      const defects = findPasstDefects(conf, await kernel.readSysctls());
      if (defects.length === 0) return [];
      throw new BindingError('WIRING_BROKEN', `Cannot confirm what passt needs: ${defects.join('; ')}`);
    },
  };
}

/** Decides which sysctls ADD changes. Pure. */
export function planPasst(conf: PasstConf, seen: Sysctls): readonly Level[] {
  const steps = widenSteps(wantedBy(conf), seen);
  return steps.length === 0 ? [] : [steps];
}

/** Describes the sysctls that have become too narrow since ADD. Pure. */
export const findPasstDefects = (conf: Pick<PasstConf, 'group'>, seen: Sysctls): readonly string[] =>
  findNarrow(wantedBy(conf), seen);

const wantedBy = ({ group }: Pick<PasstConf, 'group'>) => ({
  firstPort: 0,
  groups: group === null ? null : [group],
});
