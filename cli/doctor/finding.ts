/** Result of one check of the node: one line of the report. */
export interface Finding {
  readonly severity: 'ok' | 'warning' | 'error';
  readonly what: string;
  readonly found: string;
  /** What to do; null if nothing. */
  readonly advice: string | null;
}

export const ok = (what: string, found: string): Finding => ({ severity: 'ok', what, found, advice: null });
export const warning = (what: string, found: string, advice: string): Finding => ({
  severity: 'warning',
  what,
  found,
  advice,
});
export const error = (what: string, found: string, advice: string): Finding => ({
  severity: 'error',
  what,
  found,
  advice,
});
