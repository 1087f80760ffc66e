import { closeSync, writeSync } from 'node:fs';
import type { Signal } from '../../cni/plan/apply.ts';
import { BindingError } from '../../shared/errors.ts';
import { native, type Watch } from '../../shared/native/native.ts';
import { type CallFrame, decodeCall, decodeHeader, HELLO, type Header, requestLength } from './frame.ts';

/** A request and the descriptors that came with it; whoever serves it closes them. */
export interface Call extends CallFrame {
  /** Of the netns that the caller runs in. */
  readonly own: number;
  /** Of what is at CNI_NETNS; null where the caller did not pass one. */
  readonly netns: number | null;
}

/** Answers a call; never rejects. The signal is aborted when nobody waits for the answer any more. */
export type Serve = (call: Call, signal: Signal) => Promise<Buffer>;

/** How it ended with a caller: it got its answer, went away, was too slow, or was no shim. */
export type End = 'answered' | 'left' | 'slow' | 'broken';

export interface Caller {
  /** When it was told hello, in ms. */
  readonly since: number;
  /** Until its request is complete. */
  readonly isSilent: boolean;
  end(how: End): void;
}

/** The shim has its request ready when it connects; a busy or throttled node may need a while to send it. */
const REQUEST_PATIENCE = 5_000; // ms
/** Ends before the shim gives up (cni/shim/settings.h), so that it is told. */
const SERVE_PATIENCE = 20_000; // ms
const REPLY_PATIENCE = 5_000; // ms
/** Most requests fit. */
const FIRST_BYTES = 4096;
/** Where bytes behind a request would go. */
const NOTHING = Buffer.alloc(1);

/** Says hello to a caller, takes its request, and sends the answer. Never waits in a system call. */
export function meetCaller(fd: number, serve: Serve, onEnd: (how: End) => void): Caller {
  const passed: number[] = [];
  const signal = { aborted: false, reason: undefined as unknown };
  let bytes = Buffer.allocUnsafe(FIRST_BYTES);
  let length = 0;
  let header: Header | undefined;
  let state: 'asking' | 'complete' | 'served' | 'replying' | 'ended' = 'asking';
  let lost: End | null = null;
  let watch: Watch | null = null;
  let timer = setTimeout(() => end('slow'), REQUEST_PATIENCE);

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

  /** Takes what has arrived. False where that is no request. */
  const take = (received: number): boolean => {
    length += received;
    const decoded = header ?? decodeHeader(bytes.subarray(0, length));
    if (decoded === undefined) return true;
    if (decoded === null || length > requestLength(decoded)) return false;
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
      if (received === 0) lose('left');
      else if (!isAsking || passed.length > 2 || !take(received)) lose('broken');
      if (watch === null) return;
    }
    // Only now is it sure that the caller is still there.
    if (state === 'complete') ask();
  };

  /** Whoever is being served gets no answer: what is done for it is taken back first. */
  const lose = (how: End): void => {
    if (state !== 'served') end(how);
    else {
      lost = how;
      stopWatching();
      abort('its caller went away');
    }
  };

  const abort = (why: string): void => {
    signal.aborted = true;
    signal.reason = new BindingError('TRY_AGAIN', `Cannot finish the request: ${why}`);
  };

  const ask = (): void => {
    const [own, netns = null] = passed.splice(0);
    if (own === undefined || header === undefined) {
      end('broken');
      return;
    }
    state = 'served';
    clearTimeout(timer);
    timer = setTimeout(() => abort(`the kernel took more than ${SERVE_PATIENCE / 1000} s`), SERVE_PATIENCE);
    const call = { ...decodeCall(header, bytes.subarray(0, length)), own, netns };
    serve(call, signal).then(guarded(reply), () => end('broken'));
  };

  const reply = (answer: Buffer): void => {
    clearTimeout(timer);
    timer = setTimeout(() => end('slow'), REPLY_PATIENCE);
    state = 'replying';
    if (lost !== null) end(lost);
    else send(answer);
  };

  const send = (answer: Buffer): void => {
    stopWatching();
    const rest = answer.subarray(writeSome(fd, answer));
    if (rest.length === 0) end('answered');
    else
      watch = native.watch(
        fd,
        true,
        guarded(() => send(rest)),
      );
  };

  /** Whatever a caller does, it is its own end and nobody else's. */
  const guarded =
    <Arguments extends unknown[]>(act: (...given: Arguments) => void) =>
    (...given: Arguments): void => {
      try {
        act(...given);
      } catch {
        lose('broken'); // also who leaves without having read the hello (ECONNRESET)
      }
    };

  try {
    writeSync(fd, HELLO);
    watch = native.watch(fd, false, guarded(onReadable));
  } catch {
    end('left');
  }
  return {
    since: performance.now(),
    get isSilent() {
      return state === 'asking';
    },
    end,
  };
}

/** How many bytes it took; none while the caller does not read. */
function writeSome(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}
