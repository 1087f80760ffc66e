import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { killSession } from '../process-tree.ts';
import { untilInterrupted } from './interruption.ts';
import { killAllIn, removeLab } from './remove.ts';
import type { Daemon } from './run.ts';

/**
 * Names and paths of one lab. All of them follow from the id, so that another process can remove
 * the lab.
 */
export interface LabPlace {
  /** Eight hex digits. */
  readonly id: string;
  /** Directory of every file of the lab; uid 107 can read it. */
  readonly dir: string;
  /** The host netns of the node, which is the network outside of the pod. */
  readonly node: string;
  /** The netns of the pod. */
  readonly pod: string;
}

/** A running lab. */
export interface Lab extends LabPlace {
  /** Aborted when the process is asked to end; everything that runs for the lab then stops. */
  readonly signal: AbortSignal;
  /**
   * Programs that this process has started. At first they are not in their netns yet, where
   * `removeLab` would find them.
   */
  readonly daemons: Daemon[];
}

/**
 * Time for the steps of a stopped lab to end, in ms. Their programs are killed, so they end at
 * once. A step that hangs must not keep the lab.
 */
const SETTLE_TIMEOUT = 5000;

export function labPlace(id: string): LabPlace {
  return { id, dir: join(tmpdir(), `tapwire-${id}`), node: `tapwire-${id}-node`, pod: `tapwire-${id}-pod` };
}

export interface LabOptions {
  /** Keeps everything running when `use` has succeeded; `removeLab` removes it later. */
  readonly keep?: boolean;
}

/**
 * Calls `use` with a lab of its own, and removes the lab in every case: an error, a crash, Ctrl-C,
 * or a `kill`, at any moment and any number of times.
 *
 * @throws what `use` threw, or the reason of the signal
 */
export function withLab<T>(use: (lab: Lab) => Promise<T>, { keep = false }: LabOptions = {}): Promise<T> {
  const place = labPlace(randomBytes(4).toString('hex'));
  const tell = (signal: NodeJS.Signals) =>
    console.error(`\nStopped by ${signal}: deleting the VM, the pod and the node`);
  return untilInterrupted(async (signal) => {
    const lab: Lab = { ...place, signal, daemons: [] };
    let done = false;
    let work: Promise<unknown> = Promise.resolve();
    try {
      process.umask(0o022); // uid 107 reads files that root writes.
      mkdirSync(place.dir);
      const result = use(lab);
      work = result.catch(() => {}); // reported below, unless the lab was stopped
      await Promise.race([result, aborted(signal)]);
      signal.throwIfAborted();
      done = true;
      return await result;
    } catch (error) {
      // A terminal may have sent its signal to a child that was just starting, too.
      if (!signal.aborted) await sleep(50);
      throw signal.aborted ? signal.reason : error; // The error was caused by the abort.
    } finally {
      if (!(keep && done)) {
        try {
          await stop(lab, work);
        } finally {
          await removeLab(place);
        }
      }
    }
  }, tell);
}

/** Rejects when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  promise.catch(() => {}); // It may never be awaited.
  return promise;
}

/** Kills the lab's programs until no step of it runs, because a step could start another one. */
async function stop(lab: Lab, work: Promise<unknown>): Promise<void> {
  let isOver = false;
  void work.then(() => {
    isOver = true;
  });
  const deadline = performance.now() + SETTLE_TIMEOUT;
  for (;;) {
    const isLast = isOver || performance.now() > deadline;
    for (const daemon of lab.daemons) if (daemon.isRunning()) killSession(daemon.pid);
    await killAllIn(lab.pod);
    await killAllIn(lab.node);
    if (isLast) return;
    await sleep(10);
  }
}
