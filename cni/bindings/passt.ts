import { BindingError } from '../../shared/errors.ts';
import { SYSCTLS, type Sysctls } from '../../shared/netns/part.ts';
import type { Level, Step } from '../plan/op.ts';
import { MAX_PING_GROUP, type PasstConf } from '../request/config.ts';
import type { BindingActions } from './binding.ts';

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
      if (defects.length === 0) return;
      throw new BindingError('WIRING_BROKEN', `Cannot confirm what passt needs: ${defects.join('; ')}`);
    },
  };
}

/**
 * Decides which sysctls ADD changes. It only widens them, because all of the pod uses them. Pure.
 */
export function planPasst(conf: PasstConf, seen: Sysctls): readonly Level[] {
  const steps = tooNarrow(conf, seen).map(({ sysctl, is, wanted }): Step => {
    const op = { op: 'setSysctl', sysctl } as const;
    return { do: { ...op, value: wanted }, undo: [{ ...op, value: is }] };
  });
  return steps.length === 0 ? [] : [steps];
}

/** Describes the sysctls that have become too narrow since ADD. Pure. */
export const findPasstDefects = (conf: Pick<PasstConf, 'group'>, seen: Sysctls): readonly string[] =>
  tooNarrow(conf, seen).map(({ sysctl, is, wanted }) => `${sysctl} is "${is}" instead of "${wanted}"`);

function tooNarrow(conf: Pick<PasstConf, 'group'>, seen: Sysctls) {
  const wanted: Sysctls = {
    'net.ipv4.ip_unprivileged_port_start': '0',
    'net.ipv4.ping_group_range': pingGroups(conf, seen['net.ipv4.ping_group_range']),
  };
  return SYSCTLS.filter((sysctl) => wanted[sysctl] !== seen[sysctl]).map((sysctl) => ({
    sysctl,
    is: seen[sysctl],
    wanted: wanted[sysctl],
  }));
}

/** The smallest range that includes the groups that can already ping, and ours. */
function pingGroups({ group }: Pick<PasstConf, 'group'>, seen: string): string {
  const [low = 1, high = 0] = seen.split(' ').map(Number);
  const [first, last] = group === null ? [0, MAX_PING_GROUP] : [group, group];
  const isNobody = low > high; // the kernel's default is "1 0"
  return isNobody ? `${first} ${last}` : `${Math.min(low, first)} ${Math.max(high, last)}`;
}
