import { createServer, type ServerHttp2Session } from 'node:http2';
import { type Failure, status } from './grpc.ts';
import { type Handler, serveCall } from './grpc-call.ts';
import { releaseConnection } from './memory.ts';

/** A gRPC server of unary calls. */
export interface GrpcServer {
  /** Serves on a unix socket at that path. */
  listen(path: string): Promise<void>;
  /** Accepts nobody any more, lets calls end that have begun, and cuts them off after `patience` ms. */
  stop(patience: number): Promise<void>;
}

/** One more cuts off the oldest on which there is no call. virt-launcher has one, for as long as a call takes. */
const MAX_SESSIONS = 64;
const MAX_CALLS = 16; // of one session
/** Bytes of all requests that are held at once; of the largest ones, two. */
const MAX_HELD = 8 * 1024 * 1024;

/** A server of those methods, by path, over `node:http2`. It is bound to nothing yet. */
export function createGrpcServer(methods: ReadonlyMap<string, Handler>): GrpcServer {
  const server = createServer({
    settings: { maxConcurrentStreams: MAX_CALLS },
    maxSessionMemory: 2, // MB: compression tables, and answers that the caller does not read
  });
  const sessions = new Map<ServerHttp2Session, number>(); // to the number of its calls, oldest first
  let held = 0;

  server.on('session', (session) => {
    sessions.set(session, 0);
    session.on('close', () => {
      sessions.delete(session);
      releaseConnection();
    });
    if (sessions.size <= MAX_SESSIONS) return;
    const [idle] = [...sessions].find(([, calls]) => calls === 0) ?? [session];
    idle.destroy();
  });

  server.on('stream', (stream, headers) => {
    const session = stream.session as ServerHttp2Session;
    sessions.set(session, (sessions.get(session) ?? 0) + 1);
    let own = 0;
    stream.on('error', () => {}); // the caller's end, or our own cut: there is nobody to tell
    stream.on('close', () => {
      held -= own;
      const calls = sessions.get(session);
      if (calls !== undefined) sessions.set(session, calls - 1);
    });
    const admit = (length: number): Failure | null => {
      if (held + length > MAX_HELD) {
        const details = `Cannot take a request of ${length} bytes: others hold ${held} of ${MAX_HELD}; try again`;
        return { code: status.RESOURCE_EXHAUSTED, details };
      }
      own = length;
      held += own;
      return null;
    };
    serveCall(stream, headers, methods, admit);
  });

  return {
    listen: (path) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      }),
    async stop(patience) {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const session of sessions.keys()) session.close();
      const timer = setTimeout(() => {
        for (const session of sessions.keys()) session.destroy();
        closed.resolve(); // a caller that says nothing at all keeps its socket
      }, patience);
      await closed.promise;
      clearTimeout(timer);
    },
  };
}
