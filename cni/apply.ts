import { channel } from 'node:diagnostics_channel';
import { BindingError, messageOf } from '../shared/errors.ts';
import type { Op, Step } from './op.ts';

/** What became of an op; null: it is done. */
export type Failure = Error | null;

/** Runs ops in order and goes on after a failure; tells of each what became of it. */
export type Run = (ops: readonly Op[]) => Promise<readonly Failure[]>;

/** Steps that can be sent to the kernel together: it goes on when one fails, and no harm is done. */
export type Level = readonly Step[];

/** Tells of every rollback, to whoever counts them. */
export const rollbacks = channel('tapwire.rollback');

/**
 * Applies one level after the other. When a step fails, all that were done are undone, newest first, and its error is thrown;
 * an undo that fails does not stop the others and is told in `details`.
 *
 * @param signal looked at before each level; once it is aborted its reason is thrown, after the same rollback
 */
export async function apply(levels: readonly Level[], run: Run, signal?: AbortSignal): Promise<void> {
  const undos: Op[] = [];
  for (const level of levels) {
    if (signal?.aborted) throw await rollback(signal.reason, undos, run);
    const failures = await run(level.map((step) => step.do));
    const done = level.filter((_, i) => failures[i] === null);
    for (const { undo } of done) if (undo !== null) undos.unshift(undo);
    const cause = failures.find((failure) => failure !== null);
    if (cause !== undefined) throw await rollback(cause, undos, run);
  }
}

/** The error to throw afterwards. */
async function rollback(cause: unknown, undos: readonly Op[], run: Run): Promise<unknown> {
  if (undos.length === 0) return cause;
  rollbacks.publish(cause);
  const leftovers = await attempt(undos, run);
  if (leftovers.length === 0) return cause;
  const code = cause instanceof BindingError ? cause.code : 'INTERNAL';
  return new BindingError(code, `${messageOf(cause)} (rollback incomplete)`, {
    cause,
    details: leftovers.join('; '),
  });
}

/** Runs all of `ops`, whether or not earlier ones fail; returns what failed, in words. */
export async function attempt(ops: readonly Op[], run: Run): Promise<readonly string[]> {
  const failures = await run(ops);
  return failures.flatMap((failure) => (failure === null ? [] : [failure.message]));
}
