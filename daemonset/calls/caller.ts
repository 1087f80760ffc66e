import { closeSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Signal } from '../../cni/plan/apply.ts';
import { BindingError } from '../../shared/errors.ts';
import { native, type Watch } from '../../shared/native/native.ts';
import { type CallFrame, decodeCall, decodeHeader, HELLO, type Header, requestLength } from './frame.ts';

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
 * How a connection ended: the client got its reply, left to wait for the lock of its pod's netns,
 * closed the connection after a part of its request, was too slow, or broke the protocol.
 */
export type End = 'answered' | 'waiting' | 'left' | 'slow' | 'broken';

/** A connected client. */
export interface Client {
  /** Time of the hello, in ms of performance.now(). */
  readonly since: number;
  /** Whether its request is still incomplete. */
  readonly isSilent: boolean;
  end(how: End): void;
}

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
/** Initial buffer size in bytes; most requests fit. */
const FIRST_BYTES = 4096;
/** Buffer for bytes after the request. Any such byte breaks the protocol. */
const NOTHING = Buffer.alloc(1);

/**
 * Serves one connection: sends the hello, reads the request and sends the reply. Never blocks in a
 * system call.
 *
 * The functions follow the states: `onReadable` reads and `take` parses the request, `ask` passes
 * it to `serve`, `reply` and `send` write the reply, `end` closes all descriptors. `lose` handles a
 * client that left or broke the protocol; while its request is served, the work is undone first.
 */
export function serveClient(fd: number, serve: Serve, onEnd: (how: End) => void): Client {
  const passed: number[] = [];
  const signal = { aborted: false, reason: undefined as unknown };
  let bytes = Buffer.allocUnsafe(FIRST_BYTES);
  let length = 0;
  let header: Header | undefined;
  let state: 'asking' | 'complete' | 'served' | 'replying' | 'ended' = 'asking';
  let lost: End | null = null;
  let watch: Watch | null = null;
  let timer = setTimeout(() => end('slow'), REQUEST_TIMEOUT);

  const stopWatching = (): void => {
    if (watch !== null) native.unwatch(watch);
    watch = null;
  };

  const end = (how: End): void => {
    if (state === 'ended') return;
    state = 'ended';
    clearTimeout(timer);
    stopWatching();
    for (const descriptor of passed.splice(0)) closeSync(descriptor);
    closeSync(fd);
    onEnd(how);
  };

  /** Parses the received bytes. Returns false if they are not a valid request. */
  const take = (received: number): boolean => {
    length += received;
    const decoded = header ?? decodeHeader(bytes.subarray(0, length));
    if (decoded === 'incomplete') return true;
    if (decoded === 'invalid' || length > requestLength(decoded)) return false;
    header = decoded;
    if (length === requestLength(header)) state = 'complete';
    else if (bytes.length < requestLength(header)) {
      bytes = Buffer.concat([bytes.subarray(0, length)], requestLength(header));
    }
    return true;
  };

  const onReadable = (): void => {
    for (;;) {
      const isAsking = state === 'asking';
      const [received, ...descriptors] = native.receive(
        fd,
        isAsking ? bytes : NOTHING,
        isAsking ? length : 0,
      );
      passed.push(...descriptors);
      if (received === -1) break;
      if (received === 0) lose(length === 0 ? 'waiting' : 'left');
      else if (!isAsking || passed.length > 2 || !take(received)) lose('broken');
      if (watch === null) return;
    }
    // All input is read, and the client is still connected.
    if (state === 'complete') ask();
  };

  /**
   * Ends the connection. If the request is being served, first aborts it, so that the work is
   * undone.
   */
  const lose = (how: End): void => {
    if (state !== 'served') end(how);
    else {
      lost = how;
      stopWatching();
      abort('its client disconnected');
    }
  };

  const abort = (why: string): void => {
    signal.aborted = true;
    signal.reason = new BindingError('TRY_AGAIN', `Cannot finish the request: ${why}`);
  };

  const ask = (): void => {
    const [clientNetns, netns = null] = passed.splice(0);
    if (clientNetns === undefined || header === undefined) {
      end('broken');
      return;
    }
    state = 'served';
    clearTimeout(timer);
    timer = setTimeout(() => abort(`the kernel took more than ${SERVE_TIMEOUT / 1000} s`), SERVE_TIMEOUT);
    const call = { ...decodeCall(header, bytes.subarray(0, length)), clientNetns, netns };
    serve(call, signal).then(guarded(reply), () => end('broken'));
  };

  const reply = (bytesOut: Buffer): void => {
    clearTimeout(timer);
    timer = setTimeout(() => end('slow'), REPLY_TIMEOUT);
    state = 'replying';
    if (lost !== null) end(lost);
    else send(bytesOut);
  };

  const send = (bytesOut: Buffer): void => {
    stopWatching();
    const rest = bytesOut.subarray(writeSome(fd, bytesOut));
    if (rest.length === 0) end('answered');
    else
      watch = native.watch(
        fd,
        true,
        guarded(() => send(rest)),
      );
  };

  /** An exception closes only this client's connection. */
  const guarded =
    <Arguments extends unknown[]>(act: (...given: Arguments) => void) =>
    (...given: Arguments): void => {
      try {
        act(...given);
      } catch (error) {
        lose(state === 'asking' && isReset(error) ? 'waiting' : 'broken');
      }
    };

  try {
    writeSync(fd, HELLO);
    watch = native.watch(fd, false, guarded(onReadable));
  } catch {
    end('waiting');
  }
  return {
    since: performance.now(),
    get isSilent() {
      return state === 'asking';
    },
    end,
  };
}

/** Whether the client left before it had read the hello. */
const isReset = (error: unknown): boolean =>
  error instanceof Error && 'errno' in error && error.errno === constants.errno.ECONNRESET;

/** Returns the number of bytes written: 0 if the client does not read. */
function writeSome(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}
