/**
 * Counts how much JavaScript ran instead of timing it, so that growth shows on any machine: V8's
 * own count of entries into each block. Work that V8 does in C++, such as a search in a string, is
 * not counted.
 *
 * Import this before the code to count: of code that V8 has compiled earlier, it counts only whole
 * functions.
 */
import { Session } from 'node:inspector/promises';

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/** Number of blocks entered while `act` runs, in the programs of this repository. */
export async function workOf(act: () => unknown): Promise<number> {
  await session.post('Profiler.takePreciseCoverage'); // starts at zero
  await act();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const ours = result.filter(({ url }) => url.startsWith('file:') && !/\/(node_modules|test)\//.test(url));
  return ours
    .flatMap(({ functions }) => functions)
    .flatMap(({ ranges }) => ranges)
    .reduce((sum, { count }) => sum + count, 0);
}
