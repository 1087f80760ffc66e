import { writeSync } from 'node:fs';

export type LogFields = Readonly<Record<string, unknown>>;

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields?: LogFields;
}

/** One JSON line with the time, as it goes to stderr. */
export function formatLine({ level, message, fields }: LogLine): string {
  return `${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`;
}

/**
 * Writes one JSON line to stderr. Never stdout: that belongs to the CNI result.
 *
 * Synchronous, so that a line is not lost when the process ends right after it.
 */
export function log(level: LogLine['level'], message: string, fields: LogFields = {}): void {
  try {
    writeSync(2, formatLine({ level, message, fields }));
  } catch {
    // A closed or full stderr must not turn a good result into a failure.
  }
}
