import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { Client, credentials, type Server, ServerCredentials } from '@grpc/grpc-js';
import { INFO_SERVICE } from './hooks.ts';

/** The pod's containers share a group (fsGroup), and compute is one of them. */
const SOCKET_MODE = 0o660;
/** Bytes of sockaddr_un.sun_path, less the NUL. */
const MAX_SOCKET_PATH = 107;
const WARM_UP_TIMEOUT = 10_000; // ms
const STOP_TIMEOUT = 2_000; // ms

/**
 * Serves on a socket in virt-launcher's hook directory, and returns its path.
 *
 * virt-launcher dials whatever appears there and panics when Info does not answer within 1 s. So the server is bound in a directory
 * of its own, has answered an Info, and is then renamed into place. Before KubeVirt 1.6 the sidecars of a pod share the directory
 * and subdirectories are dialled too (which fails and is tried again): ours is gone as soon as the socket is in place.
 *
 * @param container unique in the pod where KubeVirt names containers (since 1.6); the name is unique without it, too
 */
export async function publish(server: Server, directory: string, container: string): Promise<string> {
  const id = randomBytes(8).toString('hex');
  const workshop = `${directory}/.${id}`;
  const path = `${directory}/${container}-${id}.sock`;
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new Error(`a socket there has a path of more than ${MAX_SOCKET_PATH} bytes`);
  }
  mkdirSync(workshop, { mode: 0o700 });
  try {
    const draft = `${workshop}/s`;
    await bind(server, draft);
    chmodSync(draft, SOCKET_MODE);
    await warmUp(draft);
    renameSync(draft, path);
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
  return path;
}

/** Takes the socket away, lets calls end that have begun, and cuts them off after STOP_TIMEOUT. */
export async function withdraw(server: Server, path: string): Promise<void> {
  rmSync(path, { force: true });
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    server.forceShutdown();
    resolve();
  }, STOP_TIMEOUT);
  server.tryShutdown(() => resolve());
  await promise;
  clearTimeout(timer);
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

/** Calls Info: virt-launcher's own call then finds code that has run. Also proof that the socket can be connected to. */
async function warmUp(path: string): Promise<void> {
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  const asIs = (bytes: Buffer) => bytes;
  const deadline = Date.now() + WARM_UP_TIMEOUT;
  try {
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(`/${INFO_SERVICE}/Info`, asIs, asIs, Buffer.alloc(0), { deadline }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  } finally {
    client.close();
  }
}
