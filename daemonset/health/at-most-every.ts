/**
 * Limits how often something is computed. A call within `interval` ms of the last start, or before
 * that computation has ended, gets the same promise, also if it is rejected.
 *
 * @param now the time in ms
 */
export function atMostEvery<T>(
  interval: number,
  compute: () => Promise<T>,
  now: () => number,
): () => Promise<T> {
  let last: { readonly started: number; readonly result: Promise<T>; isRunning: boolean } | null = null;
  return () => {
    if (last !== null && (last.isRunning || now() - last.started < interval)) return last.result;
    const started = now();
    const run = { started, result: compute(), isRunning: true };
    const end = () => {
      run.isRunning = false;
    };
    run.result.then(end, end);
    last = run;
    return run.result;
  };
}
