import { writeSync } from 'node:fs';

export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Writes one JSON line to stderr. Never stdout: that belongs to the CNI result.
 *
 * Synchronous, so that a line is not lost when the process ends right after it.
 */
export function log(level: 'info' | 'warn' | 'error', message: string, fields: LogFields = {}): void {
  const line = JSON.stringify({ time: new Date().toISOString(), level, message, ...fields });
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // A closed or full stderr must not turn a good result into a failure.
  }
}
