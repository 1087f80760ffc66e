import type { ContainerPreferredAllocationRequest } from '../../shared/grpc/device-plugin_pb.ts';
import { readDeviceId } from '../../shared/kubelet/device-id.ts';

/**
 * Chooses the devices of a container: those that it must have, then those with the lowest interface
 * indexes. So a node with few VMs uses the same few device nodes all the time. Ids that are not
 * Tapwire's come last.
 */
export function preferredDevices(request: ContainerPreferredAllocationRequest): readonly string[] {
  const { availableDeviceIds, mustIncludeDeviceIds, allocationSize } = request;
  const must = new Set(mustIncludeDeviceIds);
  const others = availableDeviceIds.filter((id) => !must.has(id)).sort(byIfindex);
  return [...new Set([...must, ...others])].slice(0, Math.max(allocationSize, 0));
}

function byIfindex(one: string, other: string): number {
  const difference = ifindexOf(one) - ifindexOf(other);
  if (difference !== 0) return difference;
  return one < other ? -1 : Number(one > other);
}

/** Larger than every ifindex if the id is not one of Tapwire's. */
const ifindexOf = (id: string): number => readDeviceId(id)?.ifindex ?? 2 ** 31;
