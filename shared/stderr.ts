import { native } from './native/native.ts';

/** How long to wait in ms for the process that reads stderr, until it reads again. */
const WAIT = 1_000;

/**
 * Writes bytes to stderr without blocking.
 *
 * @param from offset of the first byte to write
 * @param wait how long to wait in ms if nobody reads
 * @returns the number of bytes written; 0 if nobody reads
 * @throws {Error} if nobody can read any more
 */
export const writeStderr = (bytes: Buffer, from: number, wait: number): number =>
  native.write(2, bytes, from, wait);

/**
 * For short-lived programs: returns a function that writes lines to stderr. If nobody reads them
 * for a second, it drops lines until somebody does, so that a full pipe does not keep the program
 * from its work and its end.
 */
export function stderrLines(write: typeof writeStderr = writeStderr): (line: string) => void {
  let wait = WAIT;
  return (line) => {
    const bytes = Buffer.from(line);
    for (let done = 0; done < bytes.length; ) {
      const written = write(bytes, done, wait);
      if (written === 0) {
        wait = 0;
        return;
      }
      wait = WAIT;
      done += written;
    }
  };
}
