/** Result of one check of the node: one line of the report. */
export interface Diagnosis {
  readonly severity: 'ok' | 'warning' | 'error';
  readonly what: string;
  readonly found: string;
  /** What to do; null if nothing. */
  readonly advice: string | null;
  /** Version of the agent or plugin that was found; absent from all other checks. */
  readonly version?: string;
}

export const ok = (what: string, found: string): Diagnosis => ({ severity: 'ok', what, found, advice: null });
export const warning = (what: string, found: string, advice: string): Diagnosis => ({
  severity: 'warning',
  what,
  found,
  advice,
});
export const error = (what: string, found: string, advice: string): Diagnosis => ({
  severity: 'error',
  what,
  found,
  advice,
});
