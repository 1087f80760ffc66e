/**
 * What a filter or program does to the frames that reach it: `deadly` if none of them (or none of IPv4 or ARP) gets
 * past it, `harmless` if all do, `unknown` if it depends on the frame or cannot be read.
 */
export type Verdict = 'deadly' | 'harmless' | 'unknown';

/** Decides whether a program that returns this value ends what is done with a frame. */
export type Ends = (value: number) => boolean;

/**
 * A classifier in direct-action mode: OK, SHOT, STOLEN, REDIRECT and TRAP. The kernel takes every other value, also PIPE and
 * QUEUED, for "the next filter".
 *
 * Source: linux net/sched/cls_bpf.c, cls_bpf_exec_opcode
 */
export const endsDirectAction: Ends = (value) => [0, 2, 4, 7, 8].includes(value);

/** A TCX program: PASS, DROP and REDIRECT; after every other value come the filters of tc. Source: linux net/core/dev.c */
export const endsTcx: Ends = (value) => [0, 2, 7].includes(value);

/** Only XDP_PASS hands a frame on to the link; a value that does not exist drops it. */
export const endsXdp: Ends = (value) => value !== 2;

/** Any other value than 0 is a match. */
export const isMatch: Ends = (value) => value !== 0;

/** @param returns what a program can return; null if that is not known */
export function verdictOf(returns: readonly number[] | null, ends: Ends): Verdict {
  if (returns === null || returns.length === 0) return 'unknown';
  if (returns.every(ends)) return 'deadly';
  return returns.some(ends) ? 'unknown' : 'harmless';
}
