/**
 * A gRPC client that sends the same frames as grpc-go 1.79 in virt-launcher
 * (fixtures/recorded/hooks): one connection for each call, empty SETTINGS, a timeout in µs,
 * WINDOW_UPDATE and PING after the first data, GOAWAY without waiting.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { HANG } from '../hang.ts';

const { NGHTTP2_CANCEL: CANCEL } = constants;

/** User agent of the recorded client. */
const USER_AGENT = 'grpc-go/1.79.3';
/**
 * grpc-go estimates the bandwidth by the reply to this ping.
 *
 * Source: grpc-go internal/transport/bdp_estimator.go
 */
const BDP_PING = Buffer.from('02041010090e0707', 'hex');
/** Largest request in MB; requests of hostile clients are large. */
const MAX_MEMORY = 100;
const GOODBYE = Buffer.from('client transport shutdown');
/** Initial flow-control window of a connection in bytes (RFC 9113 §6.9.2). */
const INITIAL_WINDOW = 65_535;
/** Delay before a second attempt. Source: grpc-go backoff.DefaultConfig */
const BACKOFF = 1_000; // ms

/** A call that failed, with the names of grpc-js' ServiceError. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly code: status;
  readonly details: string;

  constructor(code: status, details: string) {
    super(`${code} ${status[code]}: ${details}`);
    this.code = code;
    this.details = details;
  }
}

export interface Connection {
  /**
   * Makes one unary call with the message's bytes, and returns the reply's. Tells the server to end
   * it within `timeout` ms.
   *
   * @throws {CallError}
   */
  call(path: string, request: Uint8Array, timeout: number): Promise<Buffer>;
  close(): void;
}

/**
 * Connects and waits for the server's SETTINGS; tries again like grpc-go, whose dial blocks.
 *
 * @throws {CallError} UNAVAILABLE if no HTTP/2 server replies within `timeout` ms
 */
export async function dial(socket: string, timeout = HANG): Promise<Connection> {
  for (const deadline = performance.now() + timeout; ; ) {
    const session = connect('http://localhost', {
      createConnection: () => createConnection(socket),
      settings: {},
      maxSessionMemory: MAX_MEMORY,
    });
    try {
      await isServed(session, socket, deadline - performance.now());
      return connectionOver(session);
    } catch (error) {
      session.destroy();
      if (performance.now() + BACKOFF > deadline) throw error;
    }
    await sleep(BACKOFF);
  }
}

/** Resolves when the server's SETTINGS have arrived. */
function isServed(session: ClientHttp2Session, socket: string, timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new CallError(status.UNAVAILABLE, `${socket}: ${why}`));
    const timer = setTimeout(fail, timeout, 'no HTTP/2 in time');
    session.once('remoteSettings', () => {
      clearTimeout(timer);
      resolve();
    });
    session.on('error', ({ message }) => fail(message));
    session.once('close', () => {
      clearTimeout(timer);
      fail('the connection is closed');
    });
  });
}

function connectionOver(session: ClientHttp2Session): Connection {
  return {
    call: (path, request, timeout) => unary(session, path, request, timeout),
    close: () => {
      if (session.destroyed) return;
      session.goaway(0, 0, GOODBYE);
      // grpc-go does not wait for the server's GOAWAY.
      void written().then(() => session.destroy());
    },
  };
}

async function unary(
  session: ClientHttp2Session,
  path: string,
  request: Uint8Array,
  timeout: number,
): Promise<Buffer> {
  const deadline = performance.now() + timeout;
  const stream = session.request({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    'user-agent': USER_AGENT,
    te: 'trailers',
    'grpc-timeout': encodeTimeout(deadline - performance.now()),
  });
  const head = Buffer.alloc(5); // not compressed, length
  head.writeUInt32BE(request.length, 1);
  stream.end(Buffer.concat([head, request]));
  // The server enforces the deadline.
  const timer = setTimeout(() => stream.close(CANCEL), HANG);
  try {
    return await answerOf(session, stream);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Uses the smallest unit that needs at most 8 digits, which is never ns.
 *
 * Source: grpc-go internal/grpcutil/encode_duration.go
 */
function encodeTimeout(ms: number): string {
  const us = Math.floor(ms * 1000);
  return us < 1e8 ? `${us}u` : `${Math.floor(ms)}m`;
}

async function answerOf(session: ClientHttp2Session, stream: ClientHttp2Stream): Promise<Buffer> {
  let headers: Readonly<Record<string, unknown>> = {};
  const chunks: Buffer[] = [];
  stream.on('response', (more) => {
    headers = more;
  });
  stream.on('trailers', (more) => {
    headers = { ...headers, ...more };
  });
  let acknowledged = Promise.resolve();
  stream.on('data', (chunk: Buffer) => {
    if (chunks.push(chunk) === 1) acknowledged = acknowledge(session, chunk.length);
  });
  // The server may reply before it has read the whole request.
  stream.on('end', () => {
    if (!stream.writableFinished) stream.close(CANCEL);
  });
  stream.on('error', () => {}); // A reset: the missing parts of the reply say enough.
  await new Promise((resolve) => stream.once('close', resolve));
  await acknowledged;

  const code = headers['grpc-status'];
  if (code === undefined) throw new CallError(status.UNAVAILABLE, `reset with code ${stream.rstCode}`);
  const details = decodeURIComponent(String(headers['grpc-message'] ?? ''));
  if (Number(code) !== status.OK) throw new CallError(Number(code), details);
  return Buffer.concat(chunks).subarray(5);
}

/** Sends what grpc-go sends when the first data arrive. */
async function acknowledge(session: ClientHttp2Session, length: number): Promise<void> {
  if (session.destroyed) return;
  session.setLocalWindowSize(INITIAL_WINDOW + length);
  await written();
  if (session.destroyed) return;
  session.ping(BDP_PING, () => {});
  await written();
}

/** Node.js writes frames after the code that created them has run, and would write a PING first. */
async function written(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}
