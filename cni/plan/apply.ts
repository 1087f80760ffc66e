import { channel } from 'node:diagnostics_channel';
import { BindingError, type ErrorCode, messageOf } from '../../shared/errors.ts';
import type { Level, Op, Outcome, Run } from './op.ts';

/** Tells of every rollback, to whoever counts them. */
export const rollbacks = channel('tapwire.rollback');

/**
 * Applies one level after the other. When a step fails, all that were done are undone, newest first, and its error is thrown;
 * an undo that fails does not stop the others and is told in `details`.
 *
 * @param signal when it is aborted its reason is thrown, with everything taken back
 * @param orElse what to apply instead if the very first step fails; undefined: that error is thrown
 */
export async function apply(
  levels: readonly Level[],
  run: Run,
  signal?: Signal,
  orElse: (refusal: Error) => readonly Level[] | undefined = () => undefined,
): Promise<void> {
  if (signal?.aborted) throw signal.reason;
  const outcomes = await run(
    levels.map((level) => level.map((step) => step.do)),
    false,
  );
  const failure = outcomes.find((outcome) => outcome instanceof Error);
  if (failure === undefined && !signal?.aborted) return;
  const undos = levels
    .flat()
    .filter((_, i) => mayBeDone(outcomes[i]))
    .map(({ undo }) => undo)
    .reverse()
    .flat();
  const isFirst = failure !== undefined && failure === outcomes[0] && !signal?.aborted;
  const instead = isFirst ? orElse(failure) : undefined;
  if (instead !== undefined) {
    if (undos.length > 0) await attempt(undos, run);
    return apply(instead, run, signal);
  }
  throw await rollback(failure ?? signal?.reason, undos, run);
}

const mayBeDone = (outcome: Outcome | undefined): boolean =>
  outcome === 'done' || hasCode(outcome, 'TRY_AGAIN');

const hasCode = (outcome: Outcome | undefined, code: ErrorCode): boolean =>
  outcome instanceof BindingError && outcome.code === code;

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

/**
 * Runs all of `ops`, which undo something, whether or not earlier ones fail; returns what failed, in words. There is nothing to undo on
 * a link that is gone.
 */
export async function attempt(ops: readonly Op[], run: Run): Promise<readonly string[]> {
  const outcomes = await run([ops], true);
  return outcomes.flatMap((outcome) =>
    outcome instanceof Error && !hasCode(outcome, 'LINK_MISSING') ? [outcome.message] : [],
  );
}

/** As an AbortSignal, which takes longer to make than most requests of the kernel. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
}
