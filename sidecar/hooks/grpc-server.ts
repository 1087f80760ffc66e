import { createServer } from 'node:net';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
// Not from the library's index, which also loads resolvers and load balancers: they make the sidecar start a tenth slower.
import { LogVerbosity } from '@grpc/grpc-js/build/src/constants.js';
import { setLoggerVerbosity } from '@grpc/grpc-js/build/src/logging.js';
import { Server } from '@grpc/grpc-js/build/src/server.js';
import { ServerCredentials } from '@grpc/grpc-js/build/src/server-credentials.js';
import { SERVER_OPTIONS } from '../../shared/grpc/server-options.ts';
import type { Failure } from '../../shared/grpc/status.ts';
import { release } from '../memory.ts';
import { ConnectionQueue } from './connection-queue.ts';

// The library would write its own lines about clients that misbehave, in another form than the sidecar's log.
setLoggerVerbosity(LogVerbosity.NONE);

/** Answers one unary call; never throws. */
export type Handler = (request: Uint8Array) => Promise<Uint8Array | Failure>;

/** A gRPC server of unary calls. */
export interface GrpcServer {
  /** Serves on a unix socket at that path. */
  listen(path: string): Promise<void>;
  /** Accepts no more connections, waits for running calls, and closes their connections after `timeout` ms. */
  stop(timeout: number): Promise<void>;
}

/** Connections that the kernel keeps until they are accepted. It would reject one more, and virt-launcher retries after a second. */
const BACKLOG = 1024;
/** Bytes that a closed connection leaves outside V8's heap. */
const CONNECTION_SIZE = 40 * 1024;
/** How often a request lies in memory: as frames, as a message, as strings. */
const REQUEST_COPIES = 4;

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const asReceived = (bytes: Buffer): Uint8Array => bytes;

/** Creates a server of those methods, by path. It does not listen yet. */
export function createGrpcServer(methods: ReadonlyMap<string, Handler>): GrpcServer {
  const grpc = new Server(SERVER_OPTIONS);
  for (const [path, handle] of methods) grpc.register(path, serve(handle), toBuffer, asReceived, 'unary');
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const queue = new ConnectionQueue((socket) => {
    injector.injectConnection(socket);
    socket.resume();
  });
  // A listener of our own, because the library's neither bounds connections nor takes a backlog.
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

/** Adapts a handler to the library. */
function serve(handle: Handler) {
  return async (call: ServerUnaryCall<Uint8Array, Uint8Array>, reply: sendUnaryData<Uint8Array>) => {
    const answer = await handle(call.request);
    if ('code' in answer) reply(answer);
    else reply(null, answer);
  };
}
