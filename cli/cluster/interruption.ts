const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `act`, which cleans up when its AbortSignal aborts. The first SIGINT, SIGTERM or SIGHUP
 * aborts it, and ends this process after the clean-up. Further ones do not shorten the clean-up.
 */
export async function interruptible<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  let caught: NodeJS.Signals | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    if (caught !== null) return;
    caught = signal;
    process.stderr.write(`Stopped by ${signal}; deleting the Jobs\n`);
    stop.abort();
  };
  const ignore = () => {}; // the terminal may be closed
  process.stderr.on('error', ignore);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await act(stop.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    process.stderr.off('error', ignore);
    if (caught !== null) process.kill(process.pid, caught);
  }
}
