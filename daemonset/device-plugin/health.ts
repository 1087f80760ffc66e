import type { LowerDevice } from '../../cni/policy/macvtap-policy.ts';
import { ARPHRD_ETHER, IFF_UP } from '../../shared/rtnetlink/link.ts';
import type { LowerState } from './read-lower.ts';

/** Kind of the only links whose ports can have macvtaps: others receive the ports' frames. */
const VRF = 'vrf';

/**
 * Says why no guest can use macvtaps on the lower device of a resource; null if guests can.
 *
 * @param lower the device; null if the node has none of this name
 */
export function findIllness({ lowerDevice, mode }: LowerDevice, lower: LowerState | null): string | null {
  if (lower === null) return `this node has no link "${lowerDevice}"`;
  const { link, use, masterKind } = lower;
  if (link.type !== ARPHRD_ETHER) return `"${lowerDevice}" does not carry Ethernet frames`;
  if ((link.flags & IFF_UP) === 0) return `"${lowerDevice}" is down`;
  if (!link.hasCarrier) return `"${lowerDevice}" has no carrier`;
  if (mode === 'passthru' && use !== null) {
    return `in mode "passthru" a VM takes all of "${lowerDevice}", but ${use}`;
  }
  if (masterKind !== null && masterKind !== VRF) {
    return `"${lowerDevice}" belongs to a link of kind "${masterKind}", which receives its frames`;
  }
  return null;
}
