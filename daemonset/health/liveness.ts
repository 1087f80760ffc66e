import { createServer, type Server } from 'node:net';
import { messageOf } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { native } from '../../shared/native/native.ts';
import { openSocket } from '../socket-file.ts';

/**
 * How long a thread of the pool may take for one script, in ms. A script begins no step after 20 s,
 * and each step ends after some 10 s (shared/native/script.c), unless the kernel does not return.
 */
const THREAD_TIMEOUT = 40_000;
/** Timeout for a client to close its connection, in ms. */
const READ_TIMEOUT = 5_000;
/** Maximum number of clients, which are all root's. The probe connects for a moment. */
const MAX_CLIENTS = 16;

/** Number of threads that have waited for the kernel for longer than any wait should take. */
export const overdueThreads = (): number => native.countOverdue(THREAD_TIMEOUT);

/** Returns why the agent should be restarted, or null. Whoever gets a reply sees that it runs. */
export function reasonToRestart(overdue: number): string | null {
  if (overdue === 0) return null;
  const threads = overdue === 1 ? '1 thread has' : `${overdue} threads have`;
  return `Cannot go on: ${threads} waited for the kernel for more than ${THREAD_TIMEOUT / 1000} s`;
}

/**
 * Serves the liveness probe at a unix socket that only root can connect to, so that no client of
 * health and metrics can keep kubelet out. Each client gets `ok`, or a reason to restart the agent.
 *
 * @throws {BindingError} IO_FAILURE
 */
export function serveLiveness(path: string): Server {
  const server = createServer((client) => {
    client.on('error', () => {}); // the client is gone
    client.setTimeout(READ_TIMEOUT, () => client.destroy());
    client.resume().end(`${reasonToRestart(overdueThreads()) ?? 'ok'}\n`);
  });
  server.maxConnections = MAX_CLIENTS;
  server.on('error', (error) => log('error', `Cannot serve the liveness probe: ${messageOf(error)}`));
  return server.listen({ fd: openSocket(path).listener }).unref();
}
