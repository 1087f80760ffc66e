/** Where the time of a test run goes, in a few lines. */

/** One file, run once. */
export interface RunTime {
  /** Path below `test/`, and the way if the file runs in several. */
  readonly name: string;
  readonly seconds: number;
}

const MAX_FILES = 10;

/**
 * The longest files, and the sum of each directory. The sum exceeds `elapsed`, because files run
 * next to each other.
 */
export function describeTimes(times: readonly RunTime[], elapsed: number): readonly string[] {
  const longest = times.toSorted((one, other) => other.seconds - one.seconds).slice(0, MAX_FILES);
  const sums = new Map<string, number>();
  for (const { name, seconds } of times) {
    const directory = name.split('/', 1)[0] ?? '';
    sums.set(directory, (sums.get(directory) ?? 0) + seconds);
  }
  const total = times.reduce((sum, { seconds }) => sum + seconds, 0);
  const shares = [...sums]
    .sort(([, one], [, other]) => other - one)
    .map(([directory, seconds]) => `${directory} ${seconds.toFixed(0)}`);
  return [
    `Longest of ${times.length} runs of files, in seconds:`,
    ...longest.map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} ${name}`),
    `Seconds by directory: ${shares.join(', ')}; ${total.toFixed(0)} in all, done in ${elapsed.toFixed(0)}`,
  ];
}
