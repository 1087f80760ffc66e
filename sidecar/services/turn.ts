import { createServer, type Server } from 'node:net';
import { TURN_SOCKET } from '../../shared/guest-services.ts';

/** More clients than the node agent and one person. */
const MAX_CLIENTS = 4;
/** Time in ms after which a client is cut that does not read. */
const CLIENT_TIMEOUT = 1_000;

/**
 * Takes the turn of serving the guests of a pod. Before KubeVirt 1.9, two sidecars may serve the
 * same bindings, and a guest must not have two servers.
 *
 * @param read returns what a client of the socket gets
 * @returns null if another process has the turn
 */
export function takeTurn(read: () => string): Promise<Server | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Server | null>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.setTimeout(CLIENT_TIMEOUT, () => socket.destroy());
    // Does not wait until the client closes, so that it cannot keep its place.
    socket.end(read(), () => socket.destroy());
  });
  server.maxConnections = MAX_CLIENTS;
  // Also later: a client that cannot be accepted must not end the sidecar.
  server.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') resolve(null);
    else reject(error);
  });
  server.listen(TURN_SOCKET, () => resolve(server));
  return promise;
}
