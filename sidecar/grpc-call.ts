import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { log } from '../shared/log.ts';
import { encodeDetails, type Failure, frameMessage, parseTimeout, readMessage, status } from './grpc.ts';

/** Answers one unary call; never throws. */
export type Handler = (request: Uint8Array) => Promise<Uint8Array | Failure>;

/** What virt-launcher gives to a call, ms. Nobody's call is held for longer, whatever it asks for. */
const MAX_DEADLINE = 60_000;
const MAX_PATH_SHOWN = 200; // characters

const RESPONSE = {
  ':status': 200,
  'content-type': 'application/grpc+proto',
  'grpc-accept-encoding': 'identity',
};

/**
 * Serves one call, from its headers to its status.
 *
 * @param admit whether there is room for a request of so many bytes
 */
export function serveCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  methods: ReadonlyMap<string, Handler>,
  admit: (length: number) => Failure | null,
): void {
  const httpStatus = judgeHttp(headers);
  if (httpStatus !== null) {
    stream.respond({ ':status': httpStatus }, { endStream: true });
    stream.close(constants.NGHTTP2_NO_ERROR);
    return;
  }
  const path = (headers[':path'] ?? '').slice(0, MAX_PATH_SHOWN);
  const refuse = (failure: Failure) => {
    if (stream.headersSent || stream.destroyed) return;
    log('error', failure.details, { path });
    fail(stream, failure);
  };
  const call = readHeaders(headers, methods);
  if ('code' in call) {
    refuse(call);
    return;
  }

  const timer = setTimeout(() => {
    // Of an answer that is under way, the caller does not read the rest.
    if (stream.headersSent) stream.close(constants.NGHTTP2_CANCEL);
    else refuse({ code: status.DEADLINE_EXCEEDED, details: `Cannot answer within ${call.timeout} ms` });
  }, call.timeout);
  stream.on('close', () => clearTimeout(timer));

  const reader = readMessage(admit);
  stream.on('data', (chunk: Buffer) => {
    const failure = stream.headersSent ? null : reader.read(chunk);
    if (failure !== null) refuse(failure);
  });
  stream.on('end', async () => {
    if (stream.headersSent) return;
    const request = reader.end();
    if ('code' in request) {
      refuse(request);
      return;
    }
    const answer = await call.handle(request);
    if (stream.headersSent || stream.destroyed) return;
    if ('code' in answer) fail(stream, answer);
    else succeed(stream, answer);
  });
}

/** The HTTP status of what is no gRPC call; null for one. */
function judgeHttp(headers: IncomingHttpHeaders): number | null {
  if (headers[':method'] !== 'POST') return constants.HTTP_STATUS_METHOD_NOT_ALLOWED;
  const isGrpc = /^application\/grpc(\+proto)?($|;)/.test(headers['content-type'] ?? '');
  return isGrpc ? null : constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE;
}

interface Call {
  readonly handle: Handler;
  /** ms */
  readonly timeout: number;
}

function readHeaders(headers: IncomingHttpHeaders, methods: ReadonlyMap<string, Handler>): Call | Failure {
  const path = headers[':path'] ?? '';
  const handle = methods.get(path);
  if (handle === undefined) {
    const shown = JSON.stringify(path.slice(0, MAX_PATH_SHOWN));
    return { code: status.UNIMPLEMENTED, details: `Cannot call ${shown}: there is no such method here` };
  }
  const encoding = headers['grpc-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    const details = `Cannot read the request: want no compression, got ${JSON.stringify(encoding)}`;
    return { code: status.UNIMPLEMENTED, details };
  }
  const header = headers['grpc-timeout'];
  const timeout = header === undefined ? MAX_DEADLINE : parseTimeout(`${header}`);
  if (timeout === undefined) {
    const details = `Cannot read the request: grpc-timeout ${JSON.stringify(header)} is malformed`;
    return { code: status.INTERNAL, details };
  }
  return { handle, timeout: Math.min(timeout, MAX_DEADLINE) };
}

function succeed(stream: ServerHttp2Stream, message: Uint8Array): void {
  stream.respond(RESPONSE, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': `${status.OK}` }));
  stream.end(frameMessage(message));
}

/** Headers and trailers in one; what is still to come of the request is not wanted. */
function fail(stream: ServerHttp2Stream, { code, details }: Failure): void {
  const trailers = { 'grpc-status': `${code}`, 'grpc-message': encodeDetails(details) };
  stream.respond({ ...RESPONSE, ...trailers }, { endStream: true });
  stream.close(constants.NGHTTP2_NO_ERROR);
}
