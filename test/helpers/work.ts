/**
 * How much JavaScript ran, counted instead of timed, so that growth shows on any machine: V8's own count of how often each block
 * was entered. What V8 does in C++, such as a search in a string, is not in it.
 *
 * Import this before what is to be counted: code that V8 has compiled earlier counts whole functions only.
 */
import { Session } from 'node:inspector/promises';

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/** Blocks entered while `act` runs, in the programs of this repository. */
export async function workOf(act: () => unknown): Promise<number> {
  await session.post('Profiler.takePreciseCoverage'); // starts from zero
  await act();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const ours = result.filter(({ url }) => url.startsWith('file:') && !/\/(node_modules|test)\//.test(url));
  return ours
    .flatMap(({ functions }) => functions)
    .flatMap(({ ranges }) => ranges)
    .reduce((sum, { count }) => sum + count, 0);
}
