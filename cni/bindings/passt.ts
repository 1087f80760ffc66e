import { BindingError } from '../../shared/errors.ts';
import { SYSCTLS, type Sysctls } from '../../shared/netns/part.ts';
import type { Level, Step } from '../plan/op.ts';
import { MAX_PING_GROUP, type PasstConf } from '../request/config.ts';
import type { BindingActions } from './binding.ts';

/**
 * A passt that the sidecar has libvirt start in the pod, as QEMU's user: it takes the guest's ports and pings for it with sockets
 * of its own, and the pod allows it that by two sysctls. The pod link stays as it is, and is not looked at.
 *
 * DEL leaves them: they go with the netns, and until then another attachment or container may rely on them.
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

/** Decides which sysctls ADD changes: each is widened, never narrowed, since it is everybody's in the pod. Pure. */
export function planPasst(conf: PasstConf, seen: Sysctls): readonly Level[] {
  const steps = tooNarrow(conf, seen).map(({ sysctl, is, wanted }): Step => {
    const op = { op: 'setSysctl', sysctl } as const;
    return { do: { ...op, value: wanted }, undo: [{ ...op, value: is }] };
  });
  return steps.length === 0 ? [] : [steps];
}

/** What has become too narrow since ADD, in words. Pure. */
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

/** The smallest range that holds those that may ping already, and ours. */
function pingGroups({ group }: Pick<PasstConf, 'group'>, seen: string): string {
  const [low = 1, high = 0] = seen.split(' ').map(Number);
  const [first, last] = group === null ? [0, MAX_PING_GROUP] : [group, group];
  const isNobody = low > high; // the kernel's default is "1 0"
  return isNobody ? `${first} ${last}` : `${Math.min(low, first)} ${Math.max(high, last)}`;
}
