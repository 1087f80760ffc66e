import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeLab } from './remove.ts';

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
}

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function labPlace(id: string): LabPlace {
  return { id, dir: join(tmpdir(), `tapwire-${id}`), node: `tapwire-${id}-node`, pod: `tapwire-${id}-pod` };
}

export interface LabOptions {
  /** Keeps everything running when `use` has succeeded; `removeLab` removes it later. */
  readonly keep?: boolean;
}

/**
 * Calls `use` with a lab of its own, and removes the lab in every case: an error, a crash, Ctrl-C,
 * or a `kill`.
 *
 * @throws what `use` threw, or the reason of the signal
 */
export async function withLab<T>(
  use: (lab: Lab) => Promise<T>,
  { keep = false }: LabOptions = {},
): Promise<T> {
  const place = labPlace(randomBytes(4).toString('hex'));
  const ending = new AbortController();
  const end = (signal: NodeJS.Signals) => ending.abort(new Error(`Stopped by ${signal}`));
  const crash = (error: unknown) => ending.abort(error);
  for (const signal of ENDING_SIGNALS) process.on(signal, end);
  // Such as EPIPE if the output goes to head(1), which would end the process at once.
  process.on('uncaughtException', crash);
  // The lab's processes do not keep the event loop alive. It must not end while a lab is running,
  // or the lab would stay.
  const alive = setInterval(() => {}, 60_000);
  let done = false;
  try {
    process.umask(0o022); // uid 107 reads files that root writes.
    mkdirSync(place.dir);
    const result = await use({ ...place, signal: ending.signal });
    ending.signal.throwIfAborted();
    done = true;
    return result;
  } catch (error) {
    throw ending.signal.aborted ? ending.signal.reason : error; // The error was caused by the abort.
  } finally {
    if (!(keep && done)) await removeLab(place);
    clearInterval(alive);
    for (const signal of ENDING_SIGNALS) process.off(signal, end);
    process.off('uncaughtException', crash);
  }
}
