import { usageError } from '../command.ts';

/** Time for each node in s. A doctor on a node with a broken agent takes up to 30 s. */
export const TIMEOUT = '60';
const RANGE = [5, 600] as const;

/** Parses --timeout, in s. @throws {BindingError} INVALID_CONFIG */
export function parseTimeout(command: string, text: string): number {
  const [least, most] = RANGE;
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= least && seconds <= most) return seconds;
  throw usageError(command, `--timeout: want seconds from ${least} to ${most}, got ${JSON.stringify(text)}`);
}
