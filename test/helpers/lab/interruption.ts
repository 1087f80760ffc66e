/**
 * Signals that ask this process to end while it has something to clean up: Ctrl-C, Ctrl-\, `kill`
 * and a closed terminal. They may come at any moment and any number of times. Children of this
 * process are in sessions of their own, so that a terminal sends its signals to this process only.
 */
import { constants } from 'node:os';

export const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** The reason why an act was aborted, if it was a signal. */
export class Interrupted extends Error {
  /** Exit status of the process, as a shell reports it: 128 and the number of the signal. */
  readonly status: number;

  constructor(signal: NodeJS.Signals) {
    super(`Stopped by ${signal}`);
    this.status = 128 + constants.signals[signal];
  }
}

/** Number of acts that run now and clean up after themselves. */
let cleaning = 0;

/** Whether this process must not exit yet. */
export const isCleaning = (): boolean => cleaning > 0;

/**
 * Calls `act` with a signal that is aborted when the process is asked to end, and meanwhile keeps
 * the process alive. A second signal changes nothing.
 *
 * @param tell is called once, at the first signal, with its name
 */
export async function untilInterrupted<T>(
  act: (signal: AbortSignal) => Promise<T>,
  tell: (signal: NodeJS.Signals) => void,
): Promise<T> {
  const ending = new AbortController();
  const end = (signal: NodeJS.Signals) => {
    if (ending.signal.aborted) return;
    ending.abort(new Interrupted(signal));
    tell(signal);
  };
  // Such as EPIPE if the output goes to head(1), which would end the process at once.
  const crash = (error: unknown) => ending.abort(error);
  for (const signal of ENDING_SIGNALS) process.on(signal, end);
  process.on('uncaughtException', crash);
  // The children do not keep the event loop alive. It must not end before they have been removed.
  const alive = setInterval(() => {}, 60_000);
  cleaning += 1;
  try {
    return await act(ending.signal);
  } finally {
    cleaning -= 1;
    clearInterval(alive);
    for (const signal of ENDING_SIGNALS) process.off(signal, end);
    process.off('uncaughtException', crash);
  }
}
