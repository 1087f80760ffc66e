import { type AddressInfo, createServer, type Server } from 'node:net';
import { log } from '../../shared/log.ts';
import type { Options } from '../options.ts';
import { Connection, type Respond } from './connection.ts';

/**
 * Maximum number of connections. One more takes the place of the oldest: kubelet and Prometheus
 * are served at once, and need no connection that lasts.
 */
const MAX_CONNECTIONS = 64;
/** Pause between two attempts to listen, in ms. */
const RETRY_PAUSE = 2_000;

/**
 * A small HTTP/1 server for one request on each connection. If it cannot listen, it logs that once
 * and tries again until it can: another process may have the port only for a while, and an address
 * may be added to the node later.
 */
export class HttpServer {
  readonly #address: Options['health'];
  readonly #server: Server;
  /** The oldest first. */
  readonly #connections = new Set<Connection>();
  #failure: string | null = null;
  #retry: NodeJS.Timeout | undefined;

  constructor(address: Options['health'], respond: Respond) {
    this.#address = address;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      const [oldest] = this.#connections;
      if (this.#connections.size >= MAX_CONNECTIONS && oldest !== undefined) {
        this.#connections.delete(oldest);
        oldest.close();
      }
      const connection = new Connection(socket, respond, () => this.#connections.delete(connection));
      this.#connections.add(connection);
    });
    this.#server.on('listening', () => {
      if (this.#failure !== null) log('info', `Serving health and metrics at ${this.address}`);
      this.#failure = null;
    });
    this.#server.on('error', (error: NodeJS.ErrnoException) => {
      // While it listens, an error concerns one client, for which no descriptor was left.
      if (!this.#server.listening) this.#onFailure(error);
    });
    this.#server.unref(); // the agent exits if it cannot serve calls
  }

  /** The address in use, or the wanted one until then: HOST:PORT. */
  get address(): string {
    const { address: host, port } = (this.#server.address() as AddressInfo | null) ?? {
      address: this.#address.host,
      port: this.#address.port,
    };
    return `${host}:${port}`;
  }

  /** Resolves after the first attempt, whether it succeeds or not. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.once('listening', resolve).once('error', () => resolve());
      this.#listen();
    });
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#server.close();
    for (const connection of this.#connections) connection.close();
  }

  #listen(): void {
    this.#server.listen(this.#address.port, this.#address.host);
  }

  #onFailure({ message, code }: NodeJS.ErrnoException): void {
    if (code !== this.#failure) {
      const advice =
        code === 'EADDRINUSE'
          ? 'find the program that has the port ("ss -ltnp") and stop it, or choose another port with --health'
          : 'choose an address of this node with --health';
      log(
        'error',
        `Cannot serve health and metrics at "${this.address}": ${message}; CNI calls are served, and the address is tried again; ${advice}`,
      );
    }
    this.#failure = code ?? message;
    this.#retry = setTimeout(() => this.#listen(), RETRY_PAUSE).unref();
  }
}
