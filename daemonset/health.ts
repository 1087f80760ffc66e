import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BindingError, messageOf } from '../shared/errors.ts';
import type { Options } from './options.ts';

/** Concurrent connections; kubelet and Prometheus make one each. */
const MAX_CONNECTIONS = 16;
/** Timeout for a request, in ms. */
const REQUEST_TIMEOUT = 5_000;
/**
 * How often the server checks for timeouts, in ms. Node's default of 30 s is longer than kubelet
 * waits.
 */
const POLL_INTERVAL = 1_000;
/**
 * Printed before the advice to choose another port: a second agent would take over the clients of
 * the first.
 */
const IN_USE = 'is another agent running here? If another program has the port, ';

/**
 * Serves /healthz (the agent runs), /readyz (the agent can wire a pod) and /metrics.
 *
 * @param test rejects if the agent cannot wire a pod
 * @returns the server and the address that it is bound to
 * @throws {BindingError} IO_FAILURE
 */
export async function serveHealth(
  { host, port }: Options['health'],
  test: () => Promise<void>,
  metrics: () => Promise<string>,
): Promise<{ readonly server: Server; readonly address: AddressInfo }> {
  const isReady = shared(test);
  const endpoints: Readonly<Record<string, (response: ServerResponse) => Promise<void>>> = {
    '/healthz': async (response) => send(response, 200, 'ok\n'),
    '/readyz': async (response) => {
      const failure = await isReady().then(
        () => null,
        (error: unknown) => messageOf(error),
      );
      send(response, failure === null ? 200 : 503, `${failure ?? 'ok'}\n`);
    },
    '/metrics': async (response) => send(response, 200, await metrics()),
  };
  const timeouts = {
    requestTimeout: REQUEST_TIMEOUT,
    headersTimeout: REQUEST_TIMEOUT,
    connectionsCheckingInterval: POLL_INTERVAL,
  };
  const server = createServer(timeouts, (request, response) => {
    const path = request.url?.split('?', 1)[0] ?? '';
    const endpoint = request.method === 'GET' && Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
    if (endpoint === undefined) send(response, 404, `Endpoints: ${Object.keys(endpoints).join(', ')}\n`);
    else endpoint(response).catch((error) => send(response, 500, `${messageOf(error)}\n`));
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const guess = cause.code === 'EADDRINUSE' ? IN_USE : '';
      const reason = `Cannot serve health and metrics at "${host}:${port}": ${cause.message}; ${guess}choose with --health`;
      reject(new BindingError('IO_FAILURE', reason, { cause }));
    });
    server.listen(port, host, resolve);
  });
  return { server, address: server.address() as AddressInfo };
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body);
}

/** Lets concurrent calls share one run of the test. */
function shared(test: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => {
    running ??= test().finally(() => {
      running = null;
    });
    return running;
  };
}
