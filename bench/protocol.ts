/** Encodes and decodes the lines that native/runner.c reads and writes. */

/** A program to start. */
export interface Job {
  readonly program: string;
  /** Path of the file to read as stdin. */
  readonly stdin: string;
  /** Path of the file for stdout. */
  readonly stdout: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Measurements and status of a program that has exited. */
export interface Exit {
  /** From start to exit, ms. */
  readonly wall: number;
  /** User and system time, ms. */
  readonly cpu: number;
  /** Peak memory, KiB. */
  readonly memory: number;
  /** Exit status, or 128 + the signal. */
  readonly status: number;
}

/** Encodes jobs to start at once. @throws {Error} if a word has a tab, a newline or a NUL */
export function encodeJobs(jobs: readonly Job[]): string {
  const lines = jobs.map(({ program, stdin, stdout, env }) => {
    const words = [
      'job',
      program,
      stdin,
      stdout,
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ];
    const stray = words.find((word) => /[\t\n\0]/.test(word));
    if (stray !== undefined)
      throw new Error(`Cannot pass ${JSON.stringify(stray)} to the runner: it has a tab, a newline or a NUL`);
    return words.map((word) => `${word}\t`).join('');
  });
  return [...lines, 'go\n'].join('\n');
}

/** Decodes the line about one job. @throws {Error} if it is malformed */
export function decodeExit(line: string): Exit {
  const numbers = line.split(' ').map(Number);
  const [wall, user, system, memory, status] = numbers;
  if (numbers.length !== 5 || numbers.some(Number.isNaN))
    throw new Error(`Cannot read the runner's "${line}"`);
  return {
    wall: (wall as number) / 1e6,
    cpu: ((user as number) + (system as number)) / 1e3,
    memory: memory as number,
    status: status as number,
  };
}

/** Decodes the last line: the time from the first start to the last exit, ms. */
export function decodeEnd(line: string): number {
  const [, nanoseconds] = /^end (\d+)$/.exec(line) ?? [];
  if (nanoseconds === undefined) throw new Error(`Cannot read the runner's "${line}"`);
  return Number(nanoseconds) / 1e6;
}
