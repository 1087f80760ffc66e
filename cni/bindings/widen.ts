/** Sysctls of a pod that a binding widens and never narrows, because all of the pod uses them. */
import { SYSCTLS, type Sysctl, type Sysctls } from '../../shared/netns/part.ts';
import type { Step } from '../plan/op.ts';
import { MAX_PING_GROUP } from '../request/config.ts';

/** What a binding needs: ports from this one on, and pings for these groups. */
export interface Wanted {
  /** Null: no port below those that any program may open. */
  readonly firstPort: number | null;
  /** Gids; null: every group. */
  readonly groups: readonly number[] | null;
}

interface TooNarrow {
  readonly sysctl: Sysctl;
  readonly is: string;
  readonly wanted: string;
}

/** Plans to set the sysctls that are too narrow. Pure. */
export const widenSteps = (wanted: Wanted, seen: Sysctls): readonly Step[] =>
  tooNarrow(wanted, seen).map(({ sysctl, is, wanted }) => {
    const op = { op: 'setSysctl', sysctl } as const;
    return { do: { ...op, value: wanted }, undo: [{ ...op, value: is }] };
  });

/** Describes the sysctls that are too narrow. Pure. */
export const findNarrow = (wanted: Wanted, seen: Sysctls): readonly string[] =>
  tooNarrow(wanted, seen).map(({ sysctl, is, wanted }) => `${sysctl} is "${is}" instead of "${wanted}"`);

function tooNarrow({ firstPort, groups }: Wanted, seen: Sysctls): readonly TooNarrow[] {
  const wide: Sysctls = {
    'net.ipv4.ip_unprivileged_port_start': widePorts(firstPort, seen['net.ipv4.ip_unprivileged_port_start']),
    'net.ipv4.ping_group_range': pingGroups(groups, seen['net.ipv4.ping_group_range']),
  };
  return SYSCTLS.filter((sysctl) => wide[sysctl] !== seen[sysctl]).map((sysctl) => ({
    sysctl,
    is: seen[sysctl],
    wanted: wide[sysctl],
  }));
}

const widePorts = (firstPort: number | null, seen: string): string =>
  firstPort !== null && Number(seen) > firstPort ? `${firstPort}` : seen;

/** The smallest range that includes the groups that can already ping, and ours. */
function pingGroups(groups: Wanted['groups'], seen: string): string {
  const [low = 1, high = 0] = seen.split(' ').map(Number);
  const [first, last] = groups === null ? [0, MAX_PING_GROUP] : [Math.min(...groups), Math.max(...groups)];
  const isNobody = low > high; // the kernel's default is "1 0"
  return isNobody ? `${first} ${last}` : `${Math.min(low, first)} ${Math.max(high, last)}`;
}
