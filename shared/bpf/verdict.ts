/**
 * Effect of a filter or program on the frames that reach it. `deadly`: all frames stop there, or
 * all frames of IPv4 or of ARP. `harmless`: all frames pass. `unknown`: this depends on the frame
 * or cannot be read.
 */
export type Verdict = 'deadly' | 'harmless' | 'unknown';

/** Whether a program that returns this value ends the processing of a frame. */
export type Ends = (value: number) => boolean;

/**
 * For a classifier in direct-action mode: OK, SHOT, STOLEN, REDIRECT and TRAP end processing. The
 * kernel continues with the next filter after any other value, including PIPE and QUEUED.
 *
 * Source: linux net/sched/cls_bpf.c, cls_bpf_exec_opcode
 */
export const endsDirectAction: Ends = (value) => [0, 2, 4, 7, 8].includes(value);

/**
 * For a TCX program: PASS, DROP and REDIRECT end processing. After any other value, the filters of
 * tc run.
 *
 * Source: linux net/core/dev.c
 */
export const endsTcx: Ends = (value) => [0, 2, 7].includes(value);

/**
 * For an XDP program: only XDP_PASS hands the frame on to the link. The kernel drops the frame for
 * an unknown value.
 */
export const endsXdp: Ends = (value) => value !== 2;

/** For a program that matches: any value except 0 is a match. */
export const isMatch: Ends = (value) => value !== 0;

/**
 * Derives the verdict from a program's return values.
 *
 * @param returns values that the program can return; null if unknown
 */
export function verdictOf(returns: readonly number[] | null, ends: Ends): Verdict {
  if (returns === null || returns.length === 0) return 'unknown';
  if (returns.every(ends)) return 'deadly';
  return returns.some(ends) ? 'unknown' : 'harmless';
}
