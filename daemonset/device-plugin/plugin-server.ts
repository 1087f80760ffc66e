import { closeSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import {
  type ConnectionInjector,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  setLogVerbosity,
} from '@grpc/grpc-js';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { SERVER_OPTIONS } from '../../shared/grpc/server-options.ts';
import { type Failure, status } from '../../shared/grpc/status.ts';
import { log } from '../../shared/log.ts';
import { native } from '../../shared/native/native.ts';
import { DeviceStream } from './device-stream.ts';
import { LIST_AND_WATCH, type Method } from './plugin-api.ts';

// Silences the library, because it would log misbehaving clients in a format of its own.
setLogVerbosity(logVerbosity.NONE);

/** kubelet makes one connection. Beyond the maximum, the oldest connection is closed. */
const MAX_CONNECTIONS = 8;
/** kubelet has one stream. Beyond the maximum, the oldest stream is ended. */
const MAX_STREAMS = 4;
/** Time in ms that clients have to close their connections after their streams have ended. */
const CLOSE_TIMEOUT = 1000;
const OPTIONS = {
  ...SERVER_OPTIONS,
  // kubelet keeps its stream, and makes a few calls besides it.
  'grpc.max_concurrent_streams': 8,
  // In bytes. The largest request names 1024 devices of 63 characters twice.
  'grpc.max_receive_message_length': 192 * 1024,
  // Closes connections without a call.
  'grpc.max_connection_idle_ms': 60_000,
};

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const asReceived = (bytes: Buffer): Uint8Array => bytes;

/** Serves the DevicePlugin service of one resource on a unix socket. */
export class PluginServer {
  readonly #path: string;
  readonly #injector: ConnectionInjector;
  /** Oldest first. */
  readonly #sockets = new Set<Socket>();
  readonly #streams = new Set<DeviceStream>();
  #list: Uint8Array;
  #listener: NetServer | null = null;
  /** The socket's file, by device and inode, which is not used again while this server listens. */
  #id: string | null = null;
  #onEmpty: (() => void) | null = null;

  /**
   * @param list the encoded list of devices
   * @param onStreams called when a stream has begun or ended
   */
  constructor(
    path: string,
    methods: ReadonlyMap<string, Method>,
    list: Uint8Array,
    onStreams: (change: 'begun' | 'ended') => void,
  ) {
    this.#path = path;
    this.#list = list;
    const grpc = new Server(OPTIONS);
    for (const [name, method] of methods) grpc.register(name, unary(method), toBuffer, asReceived, 'unary');
    const watch = (call: ServerWritableStream<Uint8Array, Uint8Array>): void => {
      const stream = new DeviceStream(call, () => {
        this.#streams.delete(stream);
        onStreams('ended');
      });
      this.#streams.add(stream);
      const [oldest] = this.#streams;
      if (this.#streams.size > MAX_STREAMS) oldest?.end();
      stream.send(this.#list);
      onStreams('begun');
    };
    grpc.register(LIST_AND_WATCH, watch, toBuffer, asReceived, 'serverStream');
    this.#injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  }

  get hasStream(): boolean {
    return this.#streams.size > 0;
  }

  /** Whether the file at the path is the socket of this server. */
  get isBound(): boolean {
    return this.#id !== null && idOf(this.#path) === this.#id;
  }

  /**
   * Listens at the path; earlier connections stay. The first call replaces a socket there, which an
   * earlier agent left. Later, such a socket is that of an agent which has taken over.
   *
   * @throws {unknown} an error of the kernel, or that the path is taken
   */
  bind(): void {
    const file = lstatSync(this.#path, { throwIfNoEntry: false });
    if (file?.isSocket() === false) throw new Error(`"${this.#path}" is not a socket; delete it`);
    if (file !== undefined && this.#listener !== null) {
      throw new Error(
        `another process has replaced "${this.#path}"; stop all agents on this node and start one`,
      );
    }
    const temporary = `${dirname(this.#path)}/.tapwire-${process.pid}`;
    rmSync(temporary, { force: true });
    const fd = native.listen(temporary); // with mode 0600 from the start
    const id = idOf(temporary);
    try {
      renameSync(temporary, this.#path);
    } catch (error) {
      closeSync(fd);
      rmSync(temporary, { force: true });
      throw error;
    }
    this.#listener?.close();
    // Not by its path: Node.js would delete that at the end, even the socket of another agent.
    this.#listener = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket)).listen({ fd });
    this.#id = id;
  }

  /** Sends a new list of devices to all streams. */
  publish(list: Uint8Array): void {
    this.#list = list;
    for (const stream of this.#streams) stream.send(list);
  }

  /**
   * Ends the streams and waits until their clients have closed their connections: kubelet takes a
   * stream that ends after a new registration for the end of the new one.
   */
  async close(): Promise<void> {
    this.#listener?.close();
    if (this.isBound) rmSync(this.#path, { force: true });
    for (const stream of this.#streams) stream.end();
    if (this.#sockets.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onEmpty = resolve;
      const timer = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy();
      }, CLOSE_TIMEOUT);
      await promise;
      clearTimeout(timer);
    }
    this.#injector.destroy();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}); // The close follows.
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onEmpty?.();
    });
    const [oldest] = this.#sockets;
    if (this.#sockets.size > MAX_CONNECTIONS) oldest?.destroy();
    this.#injector.injectConnection(socket);
    socket.resume();
  }
}

function idOf(path: string): string | null {
  const file = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return file === undefined ? null : `${file.dev} ${file.ino}`;
}

/** Adapts a method to the interface of the library. */
function unary(method: Method) {
  return (call: ServerUnaryCall<Uint8Array, Uint8Array>, respond: sendUnaryData<Uint8Array>): void => {
    let response: Uint8Array;
    try {
      response = method(call.request);
    } catch (error) {
      const failure = toFailure(error);
      log('error', failure.details);
      respond(failure);
      return;
    }
    respond(null, response);
  };
}

/** grpc-js encodes the details with `encodeURI`, which throws on half a surrogate pair. */
function toFailure(error: unknown): Failure {
  const isInvalid = error instanceof BindingError && error.code === 'INVALID_REQUEST';
  const text = isInvalid ? error.message : `Internal error: ${messageOf(error)}`;
  return {
    code: isInvalid ? status.INVALID_ARGUMENT : status.INTERNAL,
    details: text.toWellFormed(),
  };
}
