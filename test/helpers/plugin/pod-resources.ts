/**
 * kubelet's pod-resources API on a unix socket, for tests that give pods devices by hand. Replies
 * only to List.
 *
 * Source: Kubernetes, pkg/kubelet/apis/podresources
 */
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { Server, ServerCredentials, type ServiceDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = resolve(import.meta.dirname, '../../../shared/grpc/pod-resources.proto');
const SERVICE = loadSync(PROTO)['v1.PodResourcesLister'] as ServiceDefinition;

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/**
 * `hang`: accepts the connection and never replies. `refuse`: its rate limit is always exceeded.
 * `garbage`: replies with bytes that are not gRPC's.
 */
export type Behaviour = 'reply' | 'hang' | 'refuse' | 'garbage';

export interface PodResources {
  /** For $.macvtap.kubeletDirectory. */
  readonly directory: string;
  /** Gives devices to a container of a pod, in addition to those that the pod has. */
  give(pod: PodName, resource: string, ids: readonly string[]): void;
  /** Number of List calls so far. */
  readonly calls: () => number;
}

/** Runs kubelet's server in a directory while `act` runs. */
export async function withPodResources<T>(
  directory: string,
  act: (kubelet: PodResources) => Promise<T>,
  behaviour: Behaviour = 'reply',
): Promise<T> {
  mkdirSync(join(directory, 'pod-resources'), { recursive: true });
  const path = join(directory, 'pod-resources/kubelet.sock');
  const pods: object[] = [];
  let calls = 0;
  const list = (_: unknown, reply: (error: Partial<ServiceError> | null, value?: object) => void): void => {
    calls += 1;
    if (behaviour === 'reply') reply(null, { podResources: pods });
    if (behaviour === 'refuse') reply({ code: status.RESOURCE_EXHAUSTED, details: 'rejected by rate limit' });
  };
  const kubelet: PodResources = {
    directory,
    give({ namespace, name }, resourceName, deviceIds) {
      const containers = [
        { name: 'guest-console-log' },
        { name: 'compute', devices: [{ resourceName, deviceIds }] },
      ];
      pods.push({ namespace, name, containers });
    },
    calls: () => calls,
  };
  const stop = behaviour === 'garbage' ? await serveGarbage(path) : await serve(path, list);
  try {
    return await act(kubelet);
  } finally {
    await stop();
  }
}

async function serve(path: string, List: (...call: never[]) => void): Promise<() => void> {
  const server = new Server();
  server.addService(SERVICE, { List } as never);
  await new Promise<void>((listening, failed) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? listening() : failed(error),
    );
  });
  return () => server.forceShutdown();
}

async function serveGarbage(path: string): Promise<() => Promise<void>> {
  const server = createServer((client) => {
    client.on('error', () => {});
    client.end('HTTP/1.1 400 Bad Request\r\n\r\n', () => client.destroy());
  });
  await new Promise<void>((listening) => server.listen(path, listening));
  return async () => {
    await new Promise((closed) => server.close(closed));
  };
}
