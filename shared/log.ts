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

/**
 * Writes one JSON line to stderr. Never writes to stdout, which carries the CNI result.
 *
 * Writes synchronously, so that no line is lost if the process exits next.
 */
export function log(level: LogLine['level'], message: string, fields: LogFields = {}): void {
  try {
    writeSync(2, formatLine({ level, message, fields }));
  } catch {
    // A closed or full stderr must not turn a success into a failure.
  }
}
