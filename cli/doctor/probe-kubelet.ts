import { statSync } from 'node:fs';
import { join } from 'node:path';
import {
  AllocatableResourcesRequest,
  AllocatableResourcesResponse,
} from '../../shared/grpc/pod-resources_pb.ts';
import { callUnary } from '../../shared/grpc/unary-call.ts';
import type { KubeletFacts } from './macvtap-facts.ts';

/** Source: kubernetes pkg/kubelet/cm/devicemanager, pkg/kubelet/apis/podresources */
const DEVICE_PLUGINS = 'device-plugins/kubelet.sock';
const POD_RESOURCES = 'pod-resources/kubelet.sock';
const METHOD = '/v1.PodResourcesLister/GetAllocatableResources';
const TIMEOUT = 5000; // ms
/** Bytes. A device takes some dozen bytes, and a node has at most some thousand. */
const MAX_REPLY = 4 * 1024 * 1024;

/** Observes kubelet's sockets, and asks it which devices plugins have registered. */
export async function probeKubelet(directory: string): Promise<KubeletFacts> {
  const paths = [DEVICE_PLUGINS, POD_RESOURCES].map((name) => join(directory, name));
  const missing = paths.filter((path) => !isSocket(path));
  const socket = join(directory, POD_RESOURCES);
  return { missing, registered: missing.includes(socket) ? null : await registeredDevices(socket) };
}

const isSocket = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isSocket() === true;

/**
 * Number of healthy devices by full name of their resource. Null if kubelet does not tell: it has
 * the method since Kubernetes 1.21, and a feature gate for it before 1.28.
 */
async function registeredDevices(socket: string): Promise<KubeletFacts['registered']> {
  try {
    const { devices } = await callUnary({
      socket,
      method: METHOD,
      request: AllocatableResourcesRequest.encode({}).finish(),
      decode: (reply) => AllocatableResourcesResponse.decode(reply),
      deadline: Date.now() + TIMEOUT,
      maxReply: MAX_REPLY,
    });
    const counts = new Map<string, number>();
    // Devices of one resource are listed by NUMA node.
    for (const { resourceName, deviceIds } of devices)
      counts.set(resourceName, (counts.get(resourceName) ?? 0) + deviceIds.length);
    return counts;
  } catch {
    return null;
  }
}
