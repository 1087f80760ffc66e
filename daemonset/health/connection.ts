import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf } from '../../shared/errors.ts';
import { type Request, readRequest } from './read-request.ts';

export interface Response {
  readonly status: number;
  /** Text in Prometheus' format, or a sentence. */
  readonly body: string;
}

export type Respond = (request: Request) => Promise<Response>;

/** Timeout for the whole request, in ms. */
const REQUEST_TIMEOUT = 5_000;
/** Timeout for the endpoint, in ms: more than a test tap takes on a node that is very busy. */
const RESPOND_TIMEOUT = 30_000;
/** Timeout for a client to read the response and to close the connection, in ms. */
const READ_TIMEOUT = 5_000;

const REJECTIONS: Readonly<Record<'invalid' | 'too long', Response>> = {
  invalid: { status: 400, body: 'Not an HTTP/1 request\n' },
  'too long': { status: 431, body: 'The headers are too long\n' },
};

/**
 * One client's connection: reads one request, sends one response and closes. What the client sends
 * after its request is not read as a request, so a burst of requests costs no more than one.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #respond: Respond;
  #state: 'asking' | 'responding' | 'responded' = 'asking';
  #received: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout;

  /** @param socket lets the client close its sending side first (allowHalfOpen) */
  constructor(socket: Socket, respond: Respond, onClose: () => void) {
    this.#socket = socket;
    this.#respond = respond;
    this.#timer = setTimeout(() => this.close(), REQUEST_TIMEOUT);
    socket.on('data', (bytes) => this.#onData(bytes));
    socket.on('end', () => {
      if (this.#state === 'asking') this.close(); // otherwise the response may still be on its way
    });
    socket.on('error', () => this.close());
    socket.on('close', () => {
      clearTimeout(this.#timer);
      onClose();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(bytes: Buffer): void {
    if (this.#state !== 'asking') {
      this.close(); // a body, or another request
      return;
    }
    this.#received = Buffer.concat([this.#received, bytes]);
    const request = readRequest(this.#received);
    if (request === 'incomplete') return;
    this.#received = Buffer.alloc(0);
    if (request === 'invalid' || request === 'too long') this.#send(REJECTIONS[request]);
    else this.#serve(request);
  }

  #serve(request: Request): void {
    this.#state = 'responding';
    this.#closeAfter(RESPOND_TIMEOUT);
    this.#respond(request).then(
      (response) => this.#send(response),
      (error) => this.#send({ status: 500, body: `${messageOf(error)}\n` }),
    );
  }

  #send({ status, body }: Response): void {
    if (this.#socket.destroyed) return;
    this.#state = 'responded';
    this.#closeAfter(READ_TIMEOUT);
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: text/plain; version=0.0.4; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    this.#socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  }

  #closeAfter(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), milliseconds);
  }
}
