import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { BindingError } from '../errors.ts';
import {
  ListPodResourcesRequest,
  ListPodResourcesResponse,
  type PodResources,
} from '../grpc/pod-resources_pb.ts';
import { status } from '../grpc/status.ts';
import type { DevicesOf, PodDevices } from './pod-devices.ts';

const SOCKET = 'pod-resources/kubelet.sock';
const METHOD = '/v1.PodResourcesLister/List';
/** For all attempts. kubelet needs a few milliseconds, and permits 100 requests each second. */
const TIMEOUT = 5000; // ms
/** Bytes. A node has hundreds of pods, and each of them takes some hundred bytes. */
const MAX_REPLY = 16 * 1024 * 1024;

/**
 * Returns a function that asks kubelet for a pod's devices. Calls at the same time share a list of
 * all pods: one that begins after the call, so that it has the pod's devices.
 */
export function newDevicesOf(list: typeof listPods = listPods): DevicesOf {
  let running: Promise<unknown> | null = null;
  let next: Promise<readonly PodResources[]> | null = null;

  const begin = (path: string): Promise<readonly PodResources[]> => {
    next = null;
    const started = list(path);
    running = started;
    const end = () => {
      if (running === started) running = null;
    };
    started.then(end, end);
    return started;
  };
  const share = (path: string): Promise<readonly PodResources[]> => {
    if (running === null) return begin(path);
    const begun = () => begin(path);
    next ??= running.then(begun, begun);
    return next;
  };

  return async (pod, kubeletDirectory) => {
    const pods = await share(`${kubeletDirectory}/${SOCKET}`);
    return devicesIn(pods.filter(({ namespace, name }) => namespace === pod.namespace && name === pod.name));
  };
}

const devicesIn = (pods: readonly PodResources[]): readonly PodDevices[] =>
  pods.flatMap(({ containers }) =>
    containers.flatMap(({ devices }) =>
      devices.map(({ resourceName: resource, deviceIds: ids }) => ({ resource, ids })),
    ),
  );

/** @throws {BindingError} TRY_AGAIN */
async function listPods(path: string): Promise<readonly PodResources[]> {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_REPLY,
  });
  const deadline = Date.now() + TIMEOUT;
  try {
    for (let pause = 20; ; pause *= 2) {
      try {
        return (await call(client, deadline)).podResources;
      } catch (cause) {
        const { code, details } = cause as ServiceError;
        if (code === status.RESOURCE_EXHAUSTED && Date.now() + pause < deadline) {
          await sleep(pause);
          continue;
        }
        throw new BindingError(
          'TRY_AGAIN',
          `Cannot ask kubelet at "${path}" for the devices of the pod: ${details}; ` +
            'check that kubelet runs, and $.macvtap.kubeletDirectory of the node policy file',
        );
      }
    }
  } finally {
    client.close();
  }
}

const call = (client: Client, deadline: number): Promise<ListPodResourcesResponse> =>
  new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      METHOD,
      (request: ListPodResourcesRequest) => Buffer.from(ListPodResourcesRequest.encode(request).finish()),
      (bytes: Buffer) => ListPodResourcesResponse.decode(bytes),
      {},
      { deadline },
      (error, reply) => (error === null && reply !== undefined ? resolve(reply) : reject(error)),
    );
  });
