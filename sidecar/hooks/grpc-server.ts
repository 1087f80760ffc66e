import { createServer } from 'node:net';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
// Not imported from the library's index, because that also loads resolvers and load balancers,
// which slow the sidecar's start by 10 %.
import { LogVerbosity } from '@grpc/grpc-js/build/src/constants.js';
import { setLoggerVerbosity } from '@grpc/grpc-js/build/src/logging.js';
import { Server } from '@grpc/grpc-js/build/src/server.js';
import { ServerCredentials } from '@grpc/grpc-js/build/src/server-credentials.js';
import { SERVER_OPTIONS } from '../../shared/grpc/server-options.ts';
import type { Failure } from '../../shared/grpc/status.ts';
import { release } from '../memory.ts';
import { ConnectionQueue } from './connection-queue.ts';

// Silences the library, because it would log misbehaving clients in a format that differs from the
// sidecar's log.
setLoggerVerbosity(LogVerbosity.NONE);

/** Handles one unary call; never throws. */
export type Handler = (request: Uint8Array) => Promise<Uint8Array | Failure>;

/** A gRPC server of unary calls. */
export interface GrpcServer {
  /** Listens on a unix socket at that path. */
  listen(path: string): Promise<void>;
  /**
   * Accepts no more connections and waits for running calls. After `timeout` ms, closes the
   * remaining connections.
   */
  stop(timeout: number): Promise<void>;
}

/**
 * Maximum number of connections that the kernel queues until they are accepted. If it rejects one,
 * virt-launcher waits a second before it tries again.
 */
const BACKLOG = 1024;
/** Memory in bytes that a closed connection leaves outside V8's heap. */
const CONNECTION_SIZE = 40 * 1024;
/**
 * Memory that a request takes, as a multiple of its size: copies as frames, as a message, as
 * strings and, several times as large, as the elements of the domain.
 */
const REQUEST_COPIES = 16;

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const asReceived = (bytes: Buffer): Uint8Array => bytes;

/**
 * Creates a server for these methods. Their keys are paths such as `/package.Service/Method`. The
 * server does not listen yet.
 */
export function createGrpcServer(methods: ReadonlyMap<string, Handler>): GrpcServer {
  const grpc = new Server(SERVER_OPTIONS);
  for (const [path, handle] of methods) grpc.register(path, serve(handle), toBuffer, asReceived, 'unary');
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const queue = new ConnectionQueue((socket) => {
    injector.injectConnection(socket);
    socket.resume();
  });
  // Listens with the server of Node.js, because that of the library neither limits connections nor
  // sets a backlog.
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('close', () => release(CONNECTION_SIZE + REQUEST_COPIES * socket.bytesRead));
    queue.add(socket);
  });

  return {
    listen: (path) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ path, backlog: BACKLOG }, resolve);
      }),
    async stop(timeout) {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      queue.clear();
      injector.drain(timeout);
      const timer = setTimeout(() => queue.destroy(), timeout);
      await closed.promise;
      clearTimeout(timer);
    },
  };
}

/** Adapts a handler to the interface of the library. */
function serve(handle: Handler) {
  return async (call: ServerUnaryCall<Uint8Array, Uint8Array>, respond: sendUnaryData<Uint8Array>) => {
    const response = await handle(call.request);
    if ('code' in response) respond(response);
    else respond(null, response);
  };
}
