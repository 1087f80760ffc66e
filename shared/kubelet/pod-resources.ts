import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceError } from '@grpc/grpc-js';
import { BindingError } from '../errors.ts';
import {
  ListPodResourcesRequest,
  ListPodResourcesResponse,
  type PodResources,
} from '../grpc/pod-resources_pb.ts';
import { status } from '../grpc/status.ts';
import { callUnary } from '../grpc/unary-call.ts';
import type { DevicesOf, PodDevices } from './pod-devices.ts';

const SOCKET = 'pod-resources/kubelet.sock';
const METHOD = '/v1.PodResourcesLister/List';
/** For all attempts. kubelet needs a few milliseconds, and permits 100 requests each second. */
const TIMEOUT = 5000; // ms
/** First pause after a refusal, which doubles each time. */
const PAUSE = 20; // ms
/** Bytes. A node has hundreds of pods, and each of them takes some hundred bytes. */
const MAX_REPLY = 16 * 1024 * 1024;
const ADVICE = 'check that kubelet runs, and $.macvtap.kubeletDirectory of the node policy file';

type List = (path: string) => Promise<readonly PodResources[]>;

/**
 * Returns a function that asks kubelet for a pod's devices. Calls at the same time share a list of
 * all pods: one that begins after the call, so that it has the pod's devices.
 */
export function newDevicesOf(list: List = listPods): DevicesOf {
  const shared = new Map<string, List>();
  return async (pod, kubeletDirectory) => {
    const path = `${kubeletDirectory}/${SOCKET}`;
    const listShared = shared.get(path) ?? share(list);
    shared.set(path, listShared);
    const pods = await listShared(path);
    return devicesIn(pods.filter(({ namespace, name }) => namespace === pod.namespace && name === pod.name));
  };
}

/** Lets calls that come while one runs share the next one. */
function share(list: List): List {
  let running: Promise<unknown> | null = null;
  let next: Promise<readonly PodResources[]> | null = null;

  const begin: List = (path) => {
    next = null;
    const started = list(path);
    running = started;
    const end = () => {
      if (running === started) running = null;
    };
    started.then(end, end);
    return started;
  };
  return (path) => {
    if (running === null) return begin(path);
    const begun = () => begin(path);
    next ??= running.then(begun, begun);
    return next;
  };
}

const devicesIn = (pods: readonly PodResources[]): readonly PodDevices[] =>
  pods.flatMap(({ containers }) =>
    containers.flatMap(({ devices }) =>
      devices.map(({ resourceName: resource, deviceIds: ids }) => ({ resource, ids })),
    ),
  );

/** @throws {BindingError} TRY_AGAIN */
async function listPods(socket: string): Promise<readonly PodResources[]> {
  const deadline = Date.now() + TIMEOUT;
  for (let pause = PAUSE; ; pause *= 2) {
    try {
      const request = ListPodResourcesRequest.encode({}).finish();
      const decode = (reply: Buffer) => ListPodResourcesResponse.decode(reply);
      const call = { socket, method: METHOD, request, decode, deadline, maxReply: MAX_REPLY };
      return (await callUnary(call)).podResources;
    } catch (cause) {
      const isRefused = (cause as ServiceError).code === status.RESOURCE_EXHAUSTED;
      if (isRefused && isRateLimit(cause as ServiceError) && Date.now() + pause < deadline) {
        await sleep(pause);
        continue;
      }
      throw new BindingError(
        'TRY_AGAIN',
        `Cannot ask kubelet at "${socket}" for the devices of the pod: ${describe(cause as ServiceError)}; ${ADVICE}`,
      );
    }
  }
}

/** The library rejects a reply that is too large with the same code. */
const isRateLimit = ({ details }: ServiceError): boolean => !details.startsWith('Received message larger');

/** Leaves out the library's words, which have times and are about its connections. */
function describe({ code, details }: ServiceError): string {
  switch (code) {
    case status.DEADLINE_EXCEEDED:
      return `no reply within ${TIMEOUT / 1000} s`;
    case status.UNAVAILABLE:
      return 'it accepts no connections';
    default:
      return details;
  }
}
