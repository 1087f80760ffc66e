import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BindingError, messageOf } from '../shared/errors.ts';
import type { Options } from './options.ts';

/** Connections at a time; kubelet and Prometheus make one each. */
const MAX_CONNECTIONS = 16;
const PATIENCE = 5_000; // ms
/** How soon it is noticed that it has run out. Half a minute, as Node would have it, is longer than kubelet's patience with us. */
const LOOK = 1_000; // ms
/** A second agent at another port would take the callers of the first. */
const IN_USE = 'is another agent running here? If another program has the port, ';

/** Serves /healthz (we run), /readyz (a caller could have a pod wired now) and /metrics, and tells the address. */
export async function serveHealth(
  { host, port }: Options['health'],
  test: () => Promise<void>,
  metrics: () => Promise<string>,
): Promise<{ readonly server: Server; readonly address: AddressInfo }> {
  const isReady = shared(test);
  const pages: Readonly<Record<string, (response: ServerResponse) => Promise<void>>> = {
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
  const timeouts = { requestTimeout: PATIENCE, headersTimeout: PATIENCE, connectionsCheckingInterval: LOOK };
  const server = createServer(timeouts, (request, response) => {
    const path = request.url?.split('?', 1)[0] ?? '';
    const page = request.method === 'GET' && Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (page === undefined) send(response, 404, `Pages: ${Object.keys(pages).join(', ')}\n`);
    else page(response).catch((error) => send(response, 500, `${messageOf(error)}\n`));
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

/** Whoever asks while a test runs gets the result of that one. */
function shared(test: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => {
    running ??= test().finally(() => {
      running = null;
    });
    return running;
  };
}
