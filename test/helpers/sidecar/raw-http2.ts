/**
 * Clients of the hook server without a gRPC library: requests with any headers and bytes, and bytes
 * that are not HTTP/2 at all.
 */
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { HANG } from '../hang.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** The response to one request, with trailers among the headers. */
export interface RawAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Connects, sends one request, and waits until either side closes its stream. */
export async function rawCall(socket: string, headers: object, body: Buffer): Promise<RawAnswer> {
  const session = connect('http://localhost', { path: socket });
  session.on('error', () => {});
  try {
    return await rawRequest(session, headers, body);
  } finally {
    session.destroy();
  }
}

export function rawRequest(session: ClientHttp2Session, headers: object, body: Buffer): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const stream = session.request({
    ':method': 'POST',
    ':path': '/kubevirt.hooks.info.Info/Info',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let seen: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  const timer = setTimeout(() => reject(new Error('No end of the stream')), HANG);
  stream.on('response', (more) => {
    seen = { ...seen, ...more };
  });
  stream.on('trailers', (more) => {
    seen = { ...seen, ...more };
  });
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('error', () => {}); // The missing parts of the response say enough.
  stream.on('close', () => {
    clearTimeout(timer);
    resolve({ headers: seen, body: Buffer.concat(chunks) });
  });
  stream.end(body);
  return promise;
}

/** One HTTP/2 frame. */
export function http2Frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/**
 * Writes bytes after the preface and the first SETTINGS. The caller closes the socket; the response
 * is not read.
 */
export function speakHttp2(socket: string, ...frames: readonly Buffer[]): Promise<Socket> {
  return speak(socket, Buffer.concat([PREFACE, http2Frame(4, 0, 0, Buffer.alloc(0)), ...frames]));
}

/** Connects and writes. A server that closes the connection is not an error. */
export async function speak(socket: string, bytes: Buffer): Promise<Socket> {
  const raw = createConnection(socket);
  raw.on('error', () => {});
  raw.pause();
  await new Promise<void>((resolve) => {
    raw.once('connect', resolve);
    raw.once('close', () => resolve());
  });
  await new Promise<void>((resolve) => {
    raw.once('close', () => resolve());
    raw.write(bytes, () => resolve());
    setTimeout(resolve, 500).unref(); // a server that no longer reads
  });
  return raw;
}
