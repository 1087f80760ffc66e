import { type DeviceNumber, isSameNumber } from '../../../shared/netns/device-number.ts';
import type { MacvtapRecord } from '../../../shared/record.ts';
import { IFF_ALLMULTI, IFF_PROMISC, IFF_UP, type Link } from '../../../shared/rtnetlink/link.ts';
import { macvtapModeOf } from '../../../shared/rtnetlink/macvtap.ts';
import type { DeviceNode } from '../../kernel/device-node.ts';

/** What was seen of a macvtap. */
export interface SeenMacvtap {
  readonly link: Link;
  readonly record: MacvtapRecord;
  /** The number that the device node must have. */
  readonly number: DeviceNumber | null;
  readonly node: DeviceNode | null;
}

/**
 * Describes every difference from the state that ADD left. Does not compare what later plugins of a
 * chain may change, MAC and MTU. Pure.
 */
export function findDefects({ link, record, number, node }: SeenMacvtap): readonly string[] {
  const name = `macvtap "${link.ifname}"`;
  const mode = macvtapModeOf(link.macvtap?.mode);
  const isOff = (flag: number): boolean => (link.flags & flag) === 0;
  return [
    ...(mode === record.mode ? [] : [`${name} has mode ${mode ?? 'unknown'} instead of ${record.mode}`]),
    ...(isOff(IFF_UP) ? [`${name} is down`] : []),
    ...(record.allmulticast && isOff(IFF_ALLMULTI)
      ? [`${name} has allmulticast off, so the guest does not receive IPv6 neighbour solicitations`]
      : []),
    ...(record.promisc && isOff(IFF_PROMISC) ? [`${name} has promiscuous mode off`] : []),
    ...(link.macvtap?.hasIpv6
      ? [`${name} has IPv6 on, so the pod's own stack sends with the guest's MAC`]
      : []),
    ...nodeDefects(`device node /dev/tap${link.ifindex}`, record, number, node),
  ];
}

function nodeDefects(
  path: string,
  { owner, group, key }: MacvtapRecord,
  number: DeviceNumber | null,
  node: DeviceNode | null,
): readonly string[] {
  if (node === null) return [`${path} is gone`];
  if (!isSameNumber(node.number, number)) return [`${path} is not that of "${key.ifname}"`];
  if (node.owner === owner && node.group === group && node.mode === 0o600) return [];
  const found = `${node.owner}:${node.group}, mode 0${node.mode.toString(8)}`;
  return [`${path} belongs to ${found} instead of ${owner}:${group}, mode 0600`];
}
