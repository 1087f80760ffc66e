import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeLab } from './remove.ts';

/** Where one lab lives. All of it follows from the id, so that another process can remove it. */
export interface LabPlace {
  /** Eight hex digits. */
  readonly id: string;
  /** Holds every file of the lab; uid 107 may read it. */
  readonly dir: string;
  /** The netns of the node, which is the network outside of the pod. */
  readonly node: string;
  /** The netns of the pod. */
  readonly pod: string;
}

/** A lab that is up. */
export interface Lab extends LabPlace {
  /** Aborted when the process is asked to end; whatever runs for the lab stops then. */
  readonly signal: AbortSignal;
}

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function labPlace(id: string): LabPlace {
  return { id, dir: join(tmpdir(), `tapwire-${id}`), node: `tapwire-${id}-node`, pod: `tapwire-${id}-pod` };
}

export interface LabOptions {
  /** Leaves everything up when `use` ended well; `removeLab` takes it down later. */
  readonly keep?: boolean;
}

/**
 * Gives `use` a lab of its own, and removes all of it whatever happens: an error, a crash, Ctrl-C, or a `kill`.
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
  // Such as EPIPE when the output goes to head(1): it would end the process on the spot.
  process.on('uncaughtException', crash);
  // The lab's processes do not hold the event loop; while a lab is up it must not run dry, or the lab would stay.
  const alive = setInterval(() => {}, 60_000);
  let done = false;
  try {
    process.umask(0o022); // uid 107 reads what root writes
    mkdirSync(place.dir);
    const result = await use({ ...place, signal: ending.signal });
    ending.signal.throwIfAborted();
    done = true;
    return result;
  } catch (error) {
    throw ending.signal.aborted ? ending.signal.reason : error; // what failed then, failed because of it
  } finally {
    if (!(keep && done)) await removeLab(place);
    clearInterval(alive);
    for (const signal of ENDING_SIGNALS) process.off(signal, end);
    process.off('uncaughtException', crash);
  }
}
