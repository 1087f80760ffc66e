/**
 * Counts how much JavaScript ran instead of timing it, so that growth shows on any machine: V8's
 * own count of entries into each block. Work that V8 does in C++, such as a search in a string, is
 * not counted.
 *
 * Import this before the code to count: of code that V8 has compiled earlier, it counts only whole
 * functions. So it starts without waiting: modules do not wait for one before them that does.
 */
import { type Profiler, Session } from 'node:inspector';

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/** The counts since the last call. Within one process, the reply comes before `post` returns. */
function takeCounts(): readonly Profiler.ScriptCoverage[] {
  let counts: readonly Profiler.ScriptCoverage[] = [];
  session.post('Profiler.takePreciseCoverage', (error, { result }) => {
    if (error !== null) throw error;
    counts = result;
  });
  return counts;
}

/** Number of blocks entered while `act` runs, in the programs of this repository. */
export async function workOf(act: () => unknown): Promise<number> {
  takeCounts(); // starts at zero
  await act();
  const ours = takeCounts().filter(
    ({ url }) => url.startsWith('file:') && !/\/(node_modules|test)\//.test(url),
  );
  return ours
    .flatMap(({ functions }) => functions)
    .flatMap(({ ranges }) => ranges)
    .reduce((sum, { count }) => sum + count, 0);
}
