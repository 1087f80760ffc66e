import { closeSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { BindingError, messageOf } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { describeFailure, native, type Watch } from '../shared/native/native.ts';
import { type Caller, meetCaller, type Serve } from './caller.ts';
import type { Metrics } from './metrics.ts';

export interface Server {
  /** Takes no new callers; resolves when those that are there have gone. */
  close(): Promise<void>;
}

/**
 * Callers at a time, also those that have not asked yet. The others wait in the socket's queue, where they hold nothing of ours,
 * nor we anything of theirs: a shim sends its request when it is told hello.
 */
const MAX_CALLERS = 128;
/** When there is no room, a caller that has kept silent longer than this makes some. */
const ROOM_PATIENCE = 200; // ms
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Listens at `path`, in place of an agent that does or did so: callers find one or the other at every moment. The file stays
 * when we end, so that callers wait for the next agent instead of working by themselves.
 *
 * @throws {BindingError} IO_FAILURE
 */
export function listen(path: string, serve: Serve, metrics: Metrics): Server {
  const listener = open(path);
  const callers = new Set<Caller>();
  let watch: Watch | null = null;
  let onEmpty: (() => void) | null = null;

  const pause = (): void => {
    if (watch !== null) native.unwatch(watch);
    watch = null;
  };

  const accept = (): void => {
    try {
      while (callers.size < MAX_CALLERS) {
        const next = native.accept(listener);
        if (next === null) return;
        meet(...next);
      }
    } catch (error) {
      // Out of descriptors, say: those in the queue wait until some are free again.
      log('error', `Cannot accept a caller: ${describeFailure(error)}`);
    }
    pause();
    setTimeout(makeRoom, ROOM_PATIENCE).unref();
  };

  const meet = (fd: number, uid: number): void => {
    if (uid !== 0) {
      metrics.turnedAway.inc({ reason: 'not root' });
      closeSync(fd);
      return;
    }
    const caller: Caller = meetCaller(fd, serve, (how) => {
      if (how !== 'answered') metrics.turnedAway.inc({ reason: how });
      queueMicrotask(() => leave(caller));
    });
    callers.add(caller);
  };

  const leave = (caller: Caller): void => {
    callers.delete(caller);
    if (onEmpty !== null) {
      if (callers.size === 0) onEmpty();
    } else resume();
  };

  const makeRoom = (): void => {
    const since = performance.now() - ROOM_PATIENCE;
    for (const caller of [...callers])
      if (caller.waitsSince !== null && caller.waitsSince < since) caller.end('slow');
    resume();
  };

  const resume = (): void => {
    if (watch === null && onEmpty === null) watch = native.watch(listener, false, accept);
  };

  resume();
  return {
    close() {
      pause();
      closeSync(listener);
      return new Promise((resolve) => {
        onEmpty = resolve;
        if (callers.size === 0) resolve();
      });
    },
  };
}

/** A socket that is in its place from the first moment on, complete. */
function open(path: string): number {
  const folder = dirname(path);
  const aside = `${path}.${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(folder);
    if (uid !== process.getuid?.() || (mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new Error(`"${folder}" has to be ours, and writable by nobody else`);
    }
    rmSync(aside, { force: true });
    const listener = native.listen(aside);
    renameSync(aside, path);
    return listener;
  } catch (cause) {
    const reason =
      cause instanceof Error && 'errno' in cause && !('code' in cause)
        ? describeFailure(cause)
        : messageOf(cause);
    throw new BindingError('IO_FAILURE', `Cannot listen at "${path}": ${reason}`, { cause });
  }
}
