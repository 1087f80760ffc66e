import { closeSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { describeFailure, native, reasonOf, type Watch } from '../../shared/native/native.ts';
import type { Metrics } from '../metrics.ts';
import { type Caller, meetCaller, type Serve } from './caller.ts';

export interface Server {
  /** @throws {BindingError} TRY_AGAIN where callers get to somebody else's socket, or to none */
  checkPlace(): void;
  /** Takes no new callers; resolves when those that are there have gone. */
  close(): Promise<void>;
}

/**
 * Callers that came within the last moments, and are about to ask or to be answered. More at a time would not be served faster,
 * but take memory. The others wait in the socket's queue, where they hold nothing of ours, nor we anything of theirs: a shim
 * sends its request when it is told hello.
 */
const MAX_YOUNG = 16;
/** A caller that takes longer, whether it is silent or its pod's netns hangs, is no reason to keep others waiting. */
const YOUTH = 50; // ms
/** Callers in all. When there are more, those that keep silent make room. */
const MAX_CALLERS = 256;
/** How soon the log says that callers no longer come to us. */
const LOOK = 2_000; // ms
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Listens at `path`, in place of an agent that does or did so: callers find one or the other at every moment. The file stays
 * when we end, so that callers wait for the next agent instead of working by themselves.
 *
 * @throws {BindingError} IO_FAILURE
 */
export function listen(path: string, serve: Serve, metrics: Metrics): Server {
  const { listener, id } = open(path);
  const callers = new Set<Caller>();
  let watch: Watch | null = null;
  let onEmpty: (() => void) | null = null;

  const pause = (): void => {
    if (watch !== null) native.unwatch(watch);
    watch = null;
  };

  const accept = (): void => {
    try {
      while (hasRoom()) {
        const next = native.accept(listener);
        if (next === null) return;
        meet(...next);
      }
    } catch (error) {
      // Out of descriptors, say: those in the queue wait until some are free again.
      log('error', `Cannot accept a caller: ${describeFailure(error)}`);
    }
    pause();
    setTimeout(resume, YOUTH);
  };

  const hasRoom = (): boolean => {
    const youth = performance.now() - YOUTH;
    if ([...callers].filter(({ since }) => since > youth).length >= MAX_YOUNG) return false;
    if (callers.size < MAX_CALLERS) return true;
    const silent = [...callers].find(({ isSilent, since }) => isSilent && since < youth);
    silent?.end('slow');
    return silent !== undefined;
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

  const resume = (): void => {
    if (watch === null && onEmpty === null) watch = native.watch(listener, false, accept);
  };

  const checkPlace = (): void => {
    if (idOf(path) === id) return;
    const reason =
      'the socket there is no longer its own; is another agent running here? End both, and start one';
    throw new BindingError('TRY_AGAIN', `Cannot hear callers at "${path}": ${reason}`);
  };

  const looking = setInterval(() => {
    try {
      checkPlace();
    } catch (error) {
      log('error', messageOf(error));
      clearInterval(looking);
    }
  }, LOOK);

  resume();
  return {
    checkPlace,
    close() {
      clearInterval(looking);
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
function open(path: string): { readonly listener: number; readonly id: string | null } {
  const folder = dirname(path);
  const aside = `${path}.${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(folder);
    if (uid !== process.getuid?.() || (mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new Error(`"${folder}" has to be ours, and writable by nobody else`);
    }
    refuseOther(path);
    rmSync(aside, { force: true });
    const listener = native.listen(aside);
    const id = idOf(aside); // before others can take its place
    try {
      renameSync(aside, path);
    } catch (cause) {
      rmSync(aside);
      throw cause;
    }
    return { listener, id };
  } catch (cause) {
    throw new BindingError('IO_FAILURE', `Cannot listen at "${path}": ${reasonOf(cause)}`, { cause });
  }
}

/** Which file is there, null where none is. No other gets the number of our socket as long as we listen. */
function idOf(path: string): string | null {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return status === undefined ? null : `${status.dev} ${status.ino}`;
}

/** A rename would take anything's place. */
function refuseOther(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined || status.isSocket()) return;
  throw new Error(`it is a ${status.isDirectory() ? 'folder' : 'file'}, and no socket; choose with --socket`);
}
