/**
 * kubelet's pod resources API for the run's pods. Its replies are as long as those on a node with
 * many VMs.
 */
import { mkdirSync } from 'node:fs';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ListPodResourcesRequest, ListPodResourcesResponse } from '../shared/grpc/pod-resources_pb.ts';
import { deviceIdsOf, fullResourceName, MAX_CAPACITY } from '../shared/kubelet/device-id.ts';
import { type Pod, podName } from './pods.ts';

/** The resource's name in the node policy file. */
export const RESOURCE = 'bench';
/** Number of pods in a reply. */
const PODS = 250;

export interface Kubelet {
  /** Gives the pod a device, if it has none, and returns its id. */
  deviceOf(pod: Pod): string;
}

/** Serves the API in this process. @param directory kubelet's root directory */
export async function startKubelet(directory: string): Promise<Kubelet> {
  const ids = deviceIdsOf(RESOURCE, MAX_CAPACITY);
  const given = new Map<Pod, string>();
  for (let pod = 1; pod <= PODS; pod++) given.set(`other-${pod}`, ids[ids.length - pod] ?? '');
  let next = 0;

  const server = new Server();
  const list = {
    path: '/v1.PodResourcesLister/List',
    requestStream: false,
    responseStream: false,
    requestSerialize: (request: ListPodResourcesRequest) =>
      Buffer.from(ListPodResourcesRequest.encode(request).finish()),
    requestDeserialize: (bytes: Buffer) => ListPodResourcesRequest.decode(bytes),
    responseSerialize: (reply: ListPodResourcesResponse) =>
      Buffer.from(ListPodResourcesResponse.encode(reply).finish()),
    responseDeserialize: (bytes: Buffer) => ListPodResourcesResponse.decode(bytes),
  } as const;
  server.addService(
    { list },
    {
      list: (_: unknown, reply: (error: null, value: ListPodResourcesResponse) => void) =>
        reply(null, { podResources: [...given].map(([pod, id]) => podResources(pod, id)) }),
    },
  );
  mkdirSync(`${directory}/pod-resources`, { recursive: true });
  await new Promise<void>((resolve, reject) => {
    const socket = `unix:${directory}/pod-resources/kubelet.sock`;
    server.bindAsync(socket, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });

  return {
    deviceOf(pod) {
      const id = given.get(pod) ?? ids[next++ % (MAX_CAPACITY - PODS)] ?? '';
      if (!given.has(pod)) {
        given.set(pod, id);
        const [first] = given.keys();
        if (first !== undefined) given.delete(first); // a pod that has ended
      }
      return id;
    },
  };
}

/** Containers of a virt-launcher pod, as kubelet lists them. */
const podResources = (pod: Pod, id: string) => ({
  name: podName(pod),
  namespace: 'vms',
  containers: [
    { name: 'guest-console-log', devices: [] },
    {
      name: 'compute',
      devices: [
        { resourceName: 'devices.kubevirt.io/tun', deviceIds: ['tun1'] },
        { resourceName: fullResourceName(RESOURCE), deviceIds: [id] },
      ],
    },
  ],
});
