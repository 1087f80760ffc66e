import type { Socket } from 'node:net';

/** Connections served at once. Each may hold a request of the largest size several times over. virt-launcher has one at a time. */
const MAX_SERVED = 2;
/** Connections that wait, unread, in the kernel's memory. Each takes a descriptor. */
const MAX_WAITING = 60;
/** How long a connection is served undisturbed, ms. A well-behaved client is done long before, even with 200m CPU. */
const TURN = 500;

/**
 * Bounds how many connections are served at once; the others wait. Clients that keep their connection, silent or slow, lose it when
 * others have waited for the rest of their turn. The newest connection is served first, so that a client that comes after a hundred
 * silent ones does not wait for all of their turns.
 */
export class ConnectionQueue {
  readonly #serve: (socket: Socket) => void;
  /** When each connection's turn began, ms; oldest first. */
  readonly #served = new Map<Socket, number>();
  /** Paused; oldest first. */
  readonly #waiting = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;

  /** @param serve called when a connection's turn begins */
  constructor(serve: (socket: Socket) => void) {
    this.#serve = serve;
  }

  /** Takes a new connection, from which nothing has been read yet. */
  add(socket: Socket): void {
    socket.on('close', () => {
      this.#forget(socket);
      this.#advance();
    });
    this.#waiting.add(socket);
    const [oldest] = this.#waiting;
    if (this.#waiting.size > MAX_WAITING && oldest !== undefined) this.#cutOff(oldest);
    this.#advance();
  }

  /** Cuts off the connections that wait. */
  clear(): void {
    for (const socket of this.#waiting) this.#cutOff(socket);
  }

  /** Cuts off every connection. */
  destroy(): void {
    for (const socket of [...this.#waiting, ...this.#served.keys()]) this.#cutOff(socket);
  }

  /** Begins as many turns as there is room for. */
  #advance(): void {
    clearTimeout(this.#timer);
    while (this.#waiting.size > 0 && this.#makeRoom()) {
      const newest = [...this.#waiting].at(-1) as Socket;
      this.#waiting.delete(newest);
      this.#served.set(newest, performance.now());
      this.#serve(newest);
    }
  }

  /** Cuts off the oldest connection if there is no room and its turn is over. If it is not, looks again when it is. */
  #makeRoom(): boolean {
    const [oldest] = this.#served;
    if (oldest === undefined || this.#served.size < MAX_SERVED) return true;
    const [socket, began] = oldest;
    const left = began + TURN - performance.now();
    if (left <= 0) this.#cutOff(socket);
    else this.#timer = setTimeout(() => this.#advance(), left);
    return left <= 0;
  }

  #cutOff(socket: Socket): void {
    this.#forget(socket);
    socket.destroy();
  }

  #forget(socket: Socket): void {
    this.#served.delete(socket);
    this.#waiting.delete(socket);
  }
}
