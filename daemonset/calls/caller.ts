import { closeSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Signal } from '../../cni/plan/apply.ts';
import { BindingError } from '../../shared/errors.ts';
import { native, type Watch } from '../../shared/native/native.ts';
import { type CallFrame, HELLO } from './frame.ts';
import { RequestReader } from './request-reader.ts';

/** A request and its descriptors. The function that serves the request closes them. */
export interface Call extends CallFrame {
  /** Descriptor of the netns that the client runs in. */
  readonly clientNetns: number;
  /** Descriptor of CNI_NETNS; null if none was sent. */
  readonly netns: number | null;
}

/**
 * Serves a call and returns the reply. Never rejects. `signal` is aborted when the client stops
 * waiting.
 */
export type Serve = (call: Call, signal: Signal) => Promise<Buffer>;

/**
 * How a connection ended: the client got its reply, left before its request, such as to wait for
 * the lock of its pod's netns, left after a part of it, was too slow, or broke the protocol.
 */
export type End = 'answered' | 'no request' | 'left' | 'slow' | 'broken';

/**
 * Timeout for the whole request, in ms. The shim has it ready, but a throttled node may send it
 * late.
 */
const REQUEST_TIMEOUT = 5_000;
/**
 * Timeout for serving, in ms: less than the shim's own (cni/shim/settings.h), so that the shim gets
 * a reply.
 */
const SERVE_TIMEOUT = 20_000;
/** Timeout for sending the reply, in ms. */
const REPLY_TIMEOUT = 5_000;
const { ECONNRESET, EPIPE } = constants.errno;
/** Buffer for bytes after the request. Any such byte breaks the protocol. */
const NOTHING = Buffer.alloc(1);

/**
 * The states of a connection: the request is incomplete; it is complete, but more input may follow;
 * it is served; the reply is sent; all descriptors are closed.
 */
type State = 'asking' | 'complete' | 'served' | 'replying' | 'ended';

/** One connection: sends the hello, reads the request and sends the reply. Never blocks. */
export class Client {
  /** Time of the hello, in ms of performance.now(). */
  readonly since = performance.now();
  readonly #fd: number;
  readonly #serve: Serve;
  readonly #onEnd: (how: End) => void;
  readonly #reader = new RequestReader();
  readonly #signal = { aborted: false, reason: undefined as unknown };
  readonly #passed: number[] = [];
  #state: State = 'asking';
  #frame: CallFrame | null = null;
  /** How the client was lost while its request was served. */
  #lost: End | null = null;
  #watch: Watch | null = null;
  #timer: NodeJS.Timeout;

  constructor(fd: number, serve: Serve, onEnd: (how: End) => void) {
    this.#fd = fd;
    this.#serve = serve;
    this.#onEnd = onEnd;
    this.#timer = setTimeout(() => this.end('slow'), REQUEST_TIMEOUT);
    try {
      writeSync(fd, HELLO);
      this.#watch = native.watch(fd, false, () => this.#guard(() => this.#onReadable()));
    } catch (error) {
      this.end(hasLeft(error) ? 'no request' : 'broken');
    }
  }

  /** Whether its request is still incomplete. */
  get isSilent(): boolean {
    return this.#state === 'asking';
  }

  /** Closes all descriptors. */
  end(how: End): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    clearTimeout(this.#timer);
    this.#stopWatching();
    for (const descriptor of this.#passed.splice(0)) closeSync(descriptor);
    closeSync(this.#fd);
    this.#onEnd(how);
  }

  /** An exception closes only this connection. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#lose(hasLeft(error) ? this.#leaving() : 'broken');
    }
  }

  #onReadable(): void {
    while (this.#watch !== null) {
      const isAsking = this.#state === 'asking';
      const [buffer, offset] = isAsking ? this.#reader.room : [NOTHING, 0];
      const [received, ...descriptors] = native.receive(this.#fd, buffer, offset);
      this.#passed.push(...descriptors);
      if (received === -1) break;
      if (received === 0) this.#lose(this.#leaving());
      else if (!isAsking || this.#passed.length > 2) this.#lose('broken');
      else this.#take(received);
    }
    // All input is read, and the client is still connected.
    if (this.#state === 'complete') this.#ask();
  }

  /** How a client that leaves now has ended. */
  #leaving(): End {
    return this.isSilent && this.#reader.isEmpty ? 'no request' : 'left';
  }

  #take(received: number): void {
    const request = this.#reader.take(received);
    if (request === 'more') return;
    if (request === 'invalid') this.#lose('broken');
    else [this.#state, this.#frame] = ['complete', request];
  }

  /**
   * Ends the connection. If the request is being served, first aborts it, so that the work is
   * undone.
   */
  #lose(how: End): void {
    if (this.#state !== 'served') {
      this.end(how);
      return;
    }
    this.#lost = how;
    this.#stopWatching();
    this.#abort('its client disconnected');
  }

  #abort(why: string): void {
    this.#signal.aborted = true;
    this.#signal.reason = new BindingError('TRY_AGAIN', `Cannot finish the request: ${why}`);
  }

  /** Passes the request to `serve`. */
  #ask(): void {
    const [clientNetns, netns = null] = this.#passed.splice(0);
    if (clientNetns === undefined || this.#frame === null) {
      this.end('broken');
      return;
    }
    this.#state = 'served';
    this.#restartTimer(SERVE_TIMEOUT, () =>
      this.#abort(`the kernel took more than ${SERVE_TIMEOUT / 1000} s`),
    );
    this.#serve({ ...this.#frame, clientNetns, netns }, this.#signal).then(
      (bytes) => this.#guard(() => this.#reply(bytes)),
      () => this.end('broken'),
    );
  }

  #reply(bytes: Buffer): void {
    this.#state = 'replying';
    this.#restartTimer(REPLY_TIMEOUT, () => this.end('slow'));
    if (this.#lost !== null) this.end(this.#lost);
    else this.#send(bytes);
  }

  #send(bytes: Buffer): void {
    this.#stopWatching();
    const rest = bytes.subarray(writeSome(this.#fd, bytes));
    if (rest.length === 0) this.end('answered');
    else this.#watch = native.watch(this.#fd, true, () => this.#guard(() => this.#send(rest)));
  }

  #restartTimer(milliseconds: number, act: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, milliseconds);
  }

  #stopWatching(): void {
    if (this.#watch !== null) native.unwatch(this.#watch);
    this.#watch = null;
  }
}

/** Whether the client has closed the connection, perhaps before it read the hello. */
const hasLeft = (error: unknown): boolean =>
  error instanceof Error && 'errno' in error && [ECONNRESET, EPIPE].includes(Math.abs(Number(error.errno))); // negative if it is not the addon's

/** Returns the number of bytes written: 0 if the client does not read. */
function writeSome(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}
