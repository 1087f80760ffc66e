import { closeSync } from 'node:fs';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { describeFailure, native, type Watch } from '../../shared/native/native.ts';
import type { Metrics } from '../metrics.ts';
import { idOf, openSocket } from '../socket-file.ts';
import { type Client, type Serve, serveClient } from './caller.ts';

export interface Server {
  /** @throws {BindingError} TRY_AGAIN if the file at the path is no longer this server's socket */
  requireSocket(): void;
  /** Accepts no more clients; resolves when all connected clients are done. */
  close(): Promise<void>;
}

/**
 * Maximum number of clients that connected in the last 50 ms. Serving more at a time would not be
 * faster, but would take memory. The others wait in the queue of the socket. That costs neither
 * side anything, because a shim sends its request only after the hello.
 */
const MAX_NEW_CLIENTS = 16;
/**
 * Age in ms after which a client no longer counts as new. A silent client, or one whose netns
 * hangs, must not delay others.
 */
const NEW_CLIENT_AGE = 50;
/**
 * Maximum number of clients in total. Beyond it, a new client displaces one that has not sent its
 * request, or waits if there is none.
 */
const MAX_CLIENTS = 256;
/**
 * How often the server checks that the socket file is still its own, in ms. After a failure, it
 * stops checking.
 */
const POLL_INTERVAL = 2_000;

/**
 * Listens at `path` and atomically replaces the socket of an earlier agent: at any time, clients
 * reach one of the two agents. The socket file outlives the agent, so that clients wait for the
 * next agent instead of using the fallback.
 *
 * `accept` takes clients while `hasRoom` returns true; `meet` starts to serve a client, and `leave`
 * forgets it when it is done; `requireSocket` is also called regularly.
 *
 * @throws {BindingError} IO_FAILURE
 */
export function listen(path: string, serve: Serve, metrics: Metrics): Server {
  const { listener, id } = openSocket(path);
  const clients = new Set<Client>();
  let watch: Watch | null = null;
  let onEmpty: (() => void) | null = null;

  const pause = (): void => {
    if (watch !== null) native.unwatch(watch);
    watch = null;
  };

  const accept = (): void => {
    try {
      while (hasRoom()) {
        const next = native.accept(listener);
        if (next === null) return;
        meet(...next);
      }
    } catch (error) {
      // For example, no descriptor is left: queued clients wait until one is closed.
      log('error', `Cannot accept a client: ${describeFailure(error)}`);
    }
    pause();
    setTimeout(resume, NEW_CLIENT_AGE);
  };

  const hasRoom = (): boolean => {
    const newSince = performance.now() - NEW_CLIENT_AGE;
    if ([...clients].filter(({ since }) => since > newSince).length >= MAX_NEW_CLIENTS) return false;
    if (clients.size < MAX_CLIENTS) return true;
    const silent = [...clients].find(({ isSilent, since }) => isSilent && since < newSince);
    silent?.end('slow');
    return silent !== undefined;
  };

  const meet = (fd: number, uid: number): void => {
    if (uid !== 0) {
      metrics.turnedAway.inc({ reason: 'not root' });
      closeSync(fd);
      return;
    }
    const client: Client = serveClient(fd, serve, (how) => {
      if (how !== 'answered') metrics.turnedAway.inc({ reason: how });
      queueMicrotask(() => leave(client));
    });
    clients.add(client);
  };

  const leave = (client: Client): void => {
    clients.delete(client);
    if (onEmpty !== null) {
      if (clients.size === 0) onEmpty();
    } else resume();
  };

  const resume = (): void => {
    if (watch === null && onEmpty === null) watch = native.watch(listener, false, accept);
  };

  const requireSocket = (): void => {
    if (idOf(path) === id) return;
    const reason =
      'another process has replaced or removed this socket; stop all agents on this node and start one';
    throw new BindingError('TRY_AGAIN', `Cannot serve clients at "${path}": ${reason}`);
  };

  const poll = setInterval(() => {
    try {
      requireSocket();
    } catch (error) {
      log('error', messageOf(error));
      clearInterval(poll);
    }
  }, POLL_INTERVAL);

  resume();
  return {
    requireSocket,
    close() {
      clearInterval(poll);
      pause();
      closeSync(listener);
      return new Promise((resolve) => {
        onEmpty = resolve;
        if (clients.size === 0) resolve();
      });
    },
  };
}
