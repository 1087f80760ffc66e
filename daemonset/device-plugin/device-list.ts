import type { MacvtapResource } from '../../cni/policy/macvtap-policy.ts';
import type { Device } from '../../shared/grpc/device-plugin_pb.ts';
import { deviceIdsOf } from '../../shared/kubelet/device-id.ts';

/** kubelet's words for the health of a device. */
export const HEALTHY = 'Healthy';
export const UNHEALTHY = 'Unhealthy';

/**
 * Lists the devices of a resource for kubelet. All have the health of their lower device. Unhealthy
 * devices stay in the list: pods that have one keep it, and the node's capacity does not change.
 */
export function deviceListOf(
  { name, capacity }: Pick<MacvtapResource, 'name' | 'capacity'>,
  isHealthy: boolean,
): readonly Device[] {
  const health = isHealthy ? HEALTHY : UNHEALTHY;
  return deviceIdsOf(name, capacity).map((id) => ({ id, health }));
}
