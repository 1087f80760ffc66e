import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { GrpcServer } from './grpc-server.ts';
import { warmUp } from './warm-up.ts';

/**
 * Permissions of the socket. virt-launcher's container can connect to it because all containers of
 * the pod share a group (fsGroup).
 */
const SOCKET_MODE = 0o660;
/** Maximum length in bytes of a socket's path: the size of sockaddr_un.sun_path without the NUL. */
const MAX_SOCKET_PATH = 107;
/** Time in ms that running calls have to finish. */
const STOP_TIMEOUT = 2_000;

/**
 * Returns a path that no other sidecar uses, because it contains a random id.
 *
 * @param container name of the container (KubeVirt >= 1.6), which tells the sidecars of a pod apart
 */
export const hookSocketPath = (directory: string, container: string): string =>
  `${directory}/${container}-${newId()}.sock`;

const newId = (): string => randomBytes(8).toString('hex');

/**
 * Serves on a socket at that path, and replaces an existing file.
 *
 * virt-launcher connects to each socket that appears in its hook directory, and panics if Info does
 * not respond within 1 s. So the server first listens in a staging directory and responds to one
 * call of Info. Only then is the socket renamed into place.
 *
 * Before KubeVirt 1.6, the sidecars of a pod share the hook directory, and virt-launcher also tries
 * to connect to its subdirectories, again and again. So the staging directory is removed at once.
 */
export async function publish(server: GrpcServer, path: string): Promise<void> {
  const stagingDirectory = `${dirname(path)}/.${newId()}`;
  const stagedSocket = `${stagingDirectory}/s`;
  if (Math.max(Buffer.byteLength(path), Buffer.byteLength(stagedSocket)) > MAX_SOCKET_PATH) {
    throw new Error(`the socket's path would be longer than ${MAX_SOCKET_PATH} bytes`);
  }
  mkdirSync(stagingDirectory, { mode: 0o700 });
  try {
    await server.listen(stagedSocket);
    chmodSync(stagedSocket, SOCKET_MODE);
    await warmUp(stagedSocket);
    renameSync(stagedSocket, path);
  } finally {
    rmSync(stagingDirectory, { recursive: true, force: true });
  }
}

/**
 * Removes the socket and waits for running calls to end. Closes their connections after
 * STOP_TIMEOUT.
 */
export async function withdraw(server: GrpcServer, path: string): Promise<void> {
  rmSync(path, { force: true });
  await server.stop(STOP_TIMEOUT);
}
