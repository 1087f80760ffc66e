import { closeSync } from 'node:fs';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { describeFailure, native, type Watch } from '../../shared/native/native.ts';
import type { Metrics } from '../metrics.ts';
import { idOf, openSocket } from '../socket-file.ts';
import { Client, type Serve } from './caller.ts';

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
 * Listens at a path and atomically replaces the socket of an earlier agent: at any time, clients
 * reach one of the two agents. The socket file outlives the agent, so that clients wait for the
 * next agent instead of using the fallback.
 */
export class Server {
  readonly #path: string;
  readonly #serve: Serve;
  readonly #metrics: Metrics;
  readonly #listener: number;
  /** Identifies the socket file. */
  readonly #id: string | null;
  readonly #poll: NodeJS.Timeout;
  readonly #clients = new Set<Client>();
  /** Null while clients wait in the queue of the socket. */
  #watch: Watch | null = null;
  /** Called when the last client is done, once the server accepts no more. */
  #onEmpty: (() => void) | null = null;

  /** @throws {BindingError} IO_FAILURE */
  constructor(path: string, serve: Serve, metrics: Metrics) {
    const { listener, id } = openSocket(path);
    this.#path = path;
    this.#serve = serve;
    this.#metrics = metrics;
    this.#listener = listener;
    this.#id = id;
    this.#poll = setInterval(() => this.#checkSocket(), POLL_INTERVAL);
    this.#resume();
  }

  /** @throws {BindingError} TRY_AGAIN if the file at the path is no longer this server's socket */
  requireSocket(): void {
    if (idOf(this.#path) === this.#id) return;
    const reason =
      'another process has replaced or removed this socket; stop all agents on this node and start one';
    throw new BindingError('TRY_AGAIN', `Cannot serve clients at "${this.#path}": ${reason}`);
  }

  /** Accepts no more clients; resolves when all connected clients are done. */
  close(): Promise<void> {
    clearInterval(this.#poll);
    this.#pause();
    closeSync(this.#listener);
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      if (this.#clients.size === 0) resolve();
    });
  }

  #checkSocket(): void {
    try {
      this.requireSocket();
    } catch (error) {
      log('error', messageOf(error));
      clearInterval(this.#poll);
    }
  }

  /** Accepts clients while there is room. */
  #accept(): void {
    try {
      while (this.#hasRoom()) {
        const next = native.accept(this.#listener);
        if (next === null) return;
        this.#meet(...next);
      }
    } catch (error) {
      // For example, no descriptor is left: queued clients wait until one is closed.
      log('error', `Cannot accept a client: ${describeFailure(error)}`);
    }
    this.#pause();
    setTimeout(() => this.#resume(), NEW_CLIENT_AGE);
  }

  #hasRoom(): boolean {
    const newSince = performance.now() - NEW_CLIENT_AGE;
    const clients = [...this.#clients];
    if (clients.filter(({ since }) => since > newSince).length >= MAX_NEW_CLIENTS) return false;
    if (clients.length < MAX_CLIENTS) return true;
    const silent = clients.find(({ isSilent, since }) => isSilent && since < newSince);
    silent?.end('slow');
    return silent !== undefined;
  }

  #meet(fd: number, uid: number): void {
    if (uid !== 0) {
      this.#metrics.turnedAway.inc({ reason: 'not root' });
      closeSync(fd);
      return;
    }
    const client: Client = new Client(fd, this.#serve, (how) => {
      if (how !== 'answered') this.#metrics.turnedAway.inc({ reason: how });
      queueMicrotask(() => this.#leave(client));
    });
    this.#clients.add(client);
  }

  #leave(client: Client): void {
    this.#clients.delete(client);
    if (this.#onEmpty === null) this.#resume();
    else if (this.#clients.size === 0) this.#onEmpty();
  }

  #pause(): void {
    if (this.#watch !== null) native.unwatch(this.#watch);
    this.#watch = null;
  }

  #resume(): void {
    if (this.#watch !== null || this.#onEmpty !== null) return;
    this.#watch = native.watch(this.#listener, false, () => this.#accept());
  }
}
