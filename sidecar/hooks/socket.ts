import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { connect, constants } from 'node:http2';
import { dirname } from 'node:path';
import type { GrpcServer } from './grpc-server.ts';
import { INFO_SERVICE } from './hooks-api.ts';

/** The pod's containers share a group (fsGroup), and compute is one of them. */
const SOCKET_MODE = 0o660;
/** Bytes of sockaddr_un.sun_path, less the NUL. */
const MAX_SOCKET_PATH = 107;
const WARM_UP_TIMEOUT = 10_000; // ms
const STOP_TIMEOUT = 2_000; // ms

/** @param container unique in the pod where KubeVirt names containers (since 1.6); the path is unique without it, too */
export const hookSocketPath = (directory: string, container: string): string =>
  `${directory}/${container}-${newId()}.sock`;

const newId = (): string => randomBytes(8).toString('hex');

/**
 * Serves on a socket at that path, in place of what is there.
 *
 * virt-launcher dials whatever appears in its hook directory and panics when Info does not answer within 1 s. So the server is bound
 * in a directory of its own, has answered an Info, and is then renamed into place. Before KubeVirt 1.6 the sidecars of a pod share
 * the directory and subdirectories are dialled too (which fails and is tried again): ours is gone as soon as the socket is in place.
 */
export async function publish(server: GrpcServer, path: string): Promise<void> {
  const workshop = `${dirname(path)}/.${newId()}`;
  const draft = `${workshop}/s`;
  if (Math.max(Buffer.byteLength(path), Buffer.byteLength(draft)) > MAX_SOCKET_PATH) {
    throw new Error(`a socket there has a path of more than ${MAX_SOCKET_PATH} bytes`);
  }
  mkdirSync(workshop, { mode: 0o700 });
  try {
    await server.listen(draft);
    chmodSync(draft, SOCKET_MODE);
    await warmUp(draft);
    renameSync(draft, path);
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

/** Takes the socket away, lets calls end that have begun, and cuts them off after STOP_TIMEOUT. */
export async function withdraw(server: GrpcServer, path: string): Promise<void> {
  rmSync(path, { force: true });
  await server.stop(STOP_TIMEOUT);
}

/** Calls Info: virt-launcher's own call then finds code that has run. Also proof that the socket can be connected to. */
async function warmUp(path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const session = connect('http://localhost', { path });
  session.on('error', reject);
  session.setTimeout(WARM_UP_TIMEOUT, () => reject(new Error(`no answer within ${WARM_UP_TIMEOUT} ms`)));
  const call = session.request({
    ':method': 'POST',
    ':path': `/${INFO_SERVICE}/Info`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  call.on('error', reject);
  call.on('trailers', (trailers) => {
    if (trailers['grpc-status'] === '0') resolve();
    else reject(new Error(`Info failed with ${trailers['grpc-status']}`));
  });
  call.on('response', (headers, flags) => {
    // An answer without a message is a failure.
    if (flags & constants.NGHTTP2_FLAG_END_STREAM)
      reject(new Error(`Info failed with ${headers['grpc-status']}`));
  });
  call.end(Buffer.alloc(5));
  call.resume();
  try {
    await promise;
  } finally {
    session.destroy();
  }
}
