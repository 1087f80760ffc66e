import type { Socket } from 'node:net';

/**
 * Maximum number of connections served at once. Each can hold several copies of a request of the
 * maximum size. virt-launcher opens one connection at a time.
 */
const MAX_SERVED = 2;
/**
 * Maximum number of connections that wait; beyond it, the oldest is closed. The data of a waiting
 * connection stays in the kernel, but each takes a descriptor.
 */
const MAX_WAITING = 60;
/**
 * Length of a turn: the time in ms for which a served connection cannot be displaced. A
 * well-behaved client finishes much sooner, even with a CPU limit of 200m.
 */
const TURN = 500;

/**
 * Limits the number of connections served at once; the others wait. A connection whose client is
 * silent or slow is closed when its turn is over and another client waits. The newest connection is
 * served first, so that a client does not wait for the turns of many silent ones that connected
 * before it.
 */
export class ConnectionQueue {
  readonly #serve: (socket: Socket) => void;
  /** Start of each served connection's turn, in ms of performance.now(); oldest first. */
  readonly #served = new Map<Socket, number>();
  /** Paused connections, oldest first. */
  readonly #waiting = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;

  /** @param serve called when a connection's turn begins */
  constructor(serve: (socket: Socket) => void) {
    this.#serve = serve;
  }

  /** Adds a new connection, from which nothing has been read yet. */
  add(socket: Socket): void {
    socket.on('close', () => {
      this.#forget(socket);
      this.#advance();
    });
    this.#waiting.add(socket);
    const [oldest] = this.#waiting;
    if (this.#waiting.size > MAX_WAITING && oldest !== undefined) this.#disconnect(oldest);
    this.#advance();
  }

  /** Closes the waiting connections. */
  clear(): void {
    for (const socket of this.#waiting) this.#disconnect(socket);
  }

  /** Closes all connections. */
  destroy(): void {
    for (const socket of [...this.#waiting, ...this.#served.keys()]) this.#disconnect(socket);
  }

  /** Serves waiting connections until no place is free. */
  #advance(): void {
    clearTimeout(this.#timer);
    while (this.#waiting.size > 0 && this.#makeRoom()) {
      const newest = [...this.#waiting].at(-1) as Socket;
      this.#waiting.delete(newest);
      this.#served.set(newest, performance.now());
      this.#serve(newest);
    }
  }

  /**
   * Returns whether a place is free. If not, closes the oldest served connection if its turn is
   * over, which frees a place; otherwise, sets a timer for the end of that turn.
   */
  #makeRoom(): boolean {
    const [oldest] = this.#served;
    if (oldest === undefined || this.#served.size < MAX_SERVED) return true;
    const [socket, began] = oldest;
    const left = began + TURN - performance.now();
    if (left <= 0) this.#disconnect(socket);
    else this.#timer = setTimeout(() => this.#advance(), left);
    return left <= 0;
  }

  #disconnect(socket: Socket): void {
    this.#forget(socket);
    socket.destroy();
  }

  #forget(socket: Socket): void {
    this.#served.delete(socket);
    this.#waiting.delete(socket);
  }
}
