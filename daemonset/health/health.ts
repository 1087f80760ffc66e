import { messageOf } from '../../shared/errors.ts';
import type { Options } from '../options.ts';
import { atMostEvery } from './at-most-every.ts';
import type { Response } from './connection.ts';
import { HttpServer } from './http-server.ts';
import { overdueThreads, reasonToRestart } from './liveness.ts';

/** How long a result of /readyz or /metrics serves all clients, in ms. */
const INTERVAL = 1_000;

/**
 * Serves /healthz (the agent need not be restarted), /readyz (it can wire a pod) and /metrics.
 *
 * @param test rejects if the agent cannot wire a pod
 * @returns the server, after its first attempt to listen
 */
export async function serveHealth(
  address: Options['health'],
  test: () => Promise<void>,
  metrics: () => Promise<string>,
): Promise<HttpServer> {
  const now = () => performance.now();
  const endpoints: Readonly<Record<string, () => Promise<Response>>> = {
    '/healthz': async () => responseOf(reasonToRestart(overdueThreads())),
    '/readyz': atMostEvery(INTERVAL, () => outcomeOf(test), now),
    '/metrics': atMostEvery(INTERVAL, async () => ({ status: 200, body: await metrics() }), now),
  };
  const notFound = { status: 404, body: `Endpoints: ${Object.keys(endpoints).join(', ')}\n` };
  const server = new HttpServer(address, async ({ method, path }) => {
    const endpoint = method === 'GET' && Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
    return endpoint === undefined ? notFound : endpoint();
  });
  await server.start();
  return server;
}

const responseOf = (failure: string | null): Response =>
  failure === null ? { status: 200, body: 'ok\n' } : { status: 503, body: `${failure}\n` };

const outcomeOf = (test: () => Promise<void>): Promise<Response> =>
  test().then(
    () => responseOf(null),
    (error: unknown) => responseOf(messageOf(error)),
  );
