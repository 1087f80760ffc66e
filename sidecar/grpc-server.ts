import { createServer, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { type Failure, status } from './grpc.ts';
import { type Handler, serveCall } from './grpc-call.ts';
import { releaseConnection, releaseRequest } from './memory.ts';

/** A gRPC server of unary calls. */
export interface GrpcServer {
  /** Serves on a unix socket at that path. */
  listen(path: string): Promise<void>;
  /** Accepts nobody any more, lets calls end that have begun, and cuts them off after `patience` ms. */
  stop(patience: number): Promise<void>;
}

interface Connection {
  readonly socket: Socket;
  /** Bytes of its requests. */
  held: number;
}

/** At once; virt-launcher has one, for as long as a call takes. */
const MAX_CONNECTIONS = 64;
const MAX_CALLS = 16; // of one connection
/** Callers that wait to be accepted. One more would be refused by the kernel, and virt-launcher tries again after a second. */
const BACKLOG = 1024;
/** Bytes of all requests at once: of the largest one, and some that are as they should be. */
const MAX_HELD = 5 * 1024 * 1024;

/**
 * A server of those methods, by path, over `node:http2`. It is bound to nothing yet.
 *
 * Where there are more connections than there is room for, or larger requests, the oldest connections are cut off: a caller that
 * means it well is through within milliseconds, and so always finds room.
 */
export function createGrpcServer(methods: ReadonlyMap<string, Handler>): GrpcServer {
  const server = createServer({
    settings: { maxConcurrentStreams: MAX_CALLS },
    maxSessionMemory: 2, // MB: compression tables, and answers that the caller does not read
  });
  /** Oldest first. */
  const connections = new Map<ServerHttp2Session, Connection>();

  // The session itself says farewell before it closes its descriptor, of which we have not many.
  const cutOff = (session: ServerHttp2Session): void => {
    connections.get(session)?.socket.destroy();
    connections.delete(session);
  };

  const admit = (session: ServerHttp2Session, length: number): Failure | null => {
    const held = () => [...connections.values()].reduce((sum, connection) => sum + connection.held, 0);
    while (held() + length > MAX_HELD) {
      const [other] =
        [...connections].find(([one, connection]) => connection.held > 0 && one !== session) ?? [];
      if (other === undefined) {
        const details = `Cannot take ${length} bytes: other calls of this connection hold ${held()} of ${MAX_HELD}`;
        return { code: status.RESOURCE_EXHAUSTED, details };
      }
      cutOff(other);
    }
    const own = connections.get(session);
    if (own !== undefined) own.held += length;
    return null;
  };

  let newest: Socket;
  server.prependListener('connection', (socket: Socket) => {
    newest = socket; // of the session that is announced next
  });
  server.on('session', (session) => {
    const [oldest] = connections.keys();
    if (oldest !== undefined && connections.size === MAX_CONNECTIONS) cutOff(oldest);
    connections.set(session, { socket: newest, held: 0 });
    session.on('close', () => {
      connections.delete(session);
      releaseConnection();
    });
  });

  server.on('stream', (stream, headers) => {
    const session = stream.session as ServerHttp2Session;
    let own = 0;
    stream.on('error', () => {}); // the caller's end, or our own cut: there is nobody to tell
    stream.on('close', () => {
      const connection = connections.get(session);
      if (connection !== undefined) connection.held -= own;
      releaseRequest(own);
    });
    serveCall(stream, headers, methods, (length) => {
      const refusal = admit(session, length);
      if (refusal === null) own = length;
      return refusal;
    });
  });

  return {
    listen: (path) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ path, backlog: BACKLOG }, resolve);
      }),
    async stop(patience) {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const session of connections.keys()) session.close();
      const timer = setTimeout(() => {
        for (const { socket } of connections.values()) socket.destroy();
      }, patience);
      await closed.promise;
      clearTimeout(timer);
    },
  };
}
