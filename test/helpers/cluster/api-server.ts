/**
 * A stand-in for a Kubernetes API server, over HTTP, and the environment in which the real kubectl
 * finds it.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { answer, routesOf, type World } from './api-routes.ts';
import { Jobs } from './jobs.ts';

export interface ApiServer {
  readonly jobs: Jobs;
  /** For kubectl. */
  readonly env: Readonly<Record<string, string>>;
}

export async function withApiServer<T>(world: World, act: (server: ApiServer) => Promise<T>): Promise<T> {
  const jobs = new Jobs(world.run ?? (async () => null), world.second ?? 1000);
  const routes = routesOf(world, jobs);
  const server = createServer(async (request, response) => {
    const [status, body] = answer(routes, world.denied, request, await text(request));
    response.writeHead(status, {
      'content-type': typeof body === 'string' ? 'text/plain' : 'application/json',
    });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  const home = mkdtempSync(join(tmpdir(), 'tapwire-kube-'));
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const config = join(home, 'config');
    writeFileSync(config, kubeconfig((server.address() as AddressInfo).port));
    return await act({ jobs, env: { PATH: process.env['PATH'] ?? '', HOME: home, KUBECONFIG: config } });
  } finally {
    jobs.close();
    server.closeAllConnections();
    server.close();
    rmSync(home, { recursive: true });
  }
}

const kubeconfig = (port: number): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: 'admin', user: { token: 'secret' } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
  });
