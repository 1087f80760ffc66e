/** The lines that native/runner.c reads and writes. */

/** A call of a program. */
export interface Job {
  readonly program: string;
  /** Paths. */
  readonly stdin: string;
  readonly stdout: string;
  readonly env: Readonly<Record<string, string>>;
}

/** How a call went. */
export interface Exit {
  /** ms */
  readonly wall: number;
  /** ms */
  readonly cpu: number;
  /** KiB */
  readonly memory: number;
  /** Exit status, or 128 and the signal. */
  readonly status: number;
}

/** All jobs, to be started at once. @throws {Error} when something cannot be said in a line */
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
      throw new Error(`Cannot tell the runner ${JSON.stringify(stray)}: tab, newline or NUL`);
    return words.map((word) => `${word}\t`).join('');
  });
  return [...lines, 'go\n'].join('\n');
}

/** One line of the answer. */
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

/** The last line of the answer: wall time of the whole, ms. */
export function decodeEnd(line: string): number {
  const [, nanoseconds] = /^end (\d+)$/.exec(line) ?? [];
  if (nanoseconds === undefined) throw new Error(`Cannot read the runner's "${line}"`);
  return Number(nanoseconds) / 1e6;
}
