import { writeSync } from 'node:fs';

export type LogFields = Readonly<Record<string, unknown>>;

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields?: LogFields;
}

/** Formats one JSON line, with the time. */
export function formatLine({ level, message, fields }: LogLine): string {
  return `${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`;
}

let write = (line: string): void => void writeSync(2, line);

/** From now on, writes all lines of this process by this function, such as `stderrLines()`. */
export function logBy(writeLine: (line: string) => void): void {
  write = writeLine;
}

/**
 * Writes one JSON line to stderr, or by the function of `logBy`. Never writes to stdout, which
 * carries the CNI result.
 */
export function log(level: LogLine['level'], message: string, fields: LogFields = {}): void {
  try {
    write(formatLine({ level, message, fields }));
  } catch {
    // A closed or full stderr must not turn a success into a failure.
  }
}
