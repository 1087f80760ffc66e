import { channel } from 'node:diagnostics_channel';
import { BindingError, type ErrorCode, messageOf } from '../../shared/errors.ts';
import { listSome } from '../../shared/list-some.ts';
import { describeOp, type Level, type Op, type Outcome, type Run, type Step } from './op.ts';

/** Publishes the cause of every rollback; the agent counts them. */
export const rollbacks = channel('tapwire.rollback');

/**
 * Applies one level after the other. If a step fails, undoes all completed steps, newest first, and
 * throws the error of the failed step. If an undo fails, the others still run, and `details` of the
 * error lists the failure.
 *
 * @param signal if it is aborted and no step failed, undoes everything and throws its reason
 * @param orElse returns the levels to apply instead if the very first step fails, or undefined to
 * throw
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
  const failure = outcomes.find((outcome) => outcome instanceof Error) ?? findUnreached(levels, outcomes);
  if (failure === undefined && !signal?.aborted) return;
  const undos = levels
    .flat()
    .filter((step, i) => mayBeDone(step, outcomes[i]))
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

/** Finds a step that did not run although none failed, so that it does not count as applied. */
function findUnreached(levels: readonly Level[], outcomes: readonly Outcome[]): Error | undefined {
  const unreached = levels.flat().find((_, i) => outcomes[i] !== 'done');
  return unreached && new Error(`Cannot ${describeOp(unreached.do)}: an earlier change did not succeed`);
}

/**
 * Whether a step has taken effect, or a part of it: rules are several requests, and the kernel may
 * have refused only some of them.
 */
const mayBeDone = ({ do: { op } }: Step, outcome: Outcome | undefined): boolean =>
  outcome === 'done' || hasCode(outcome, 'TRY_AGAIN') || (op === 'addRules' && outcome instanceof Error);

const hasCode = (outcome: Outcome | undefined, code: ErrorCode): boolean =>
  outcome instanceof BindingError && outcome.code === code;

/** Undoes the completed steps, and returns the error to throw. */
async function rollback(cause: unknown, undos: readonly Op[], run: Run): Promise<unknown> {
  if (undos.length === 0) return cause;
  rollbacks.publish(cause);
  const leftovers = await attempt(undos, run);
  if (leftovers.length === 0) return cause;
  const code = cause instanceof BindingError ? cause.code : 'INTERNAL';
  return new BindingError(code, `${messageOf(cause)} (rollback incomplete)`, {
    cause,
    details: listSome(leftovers, '; '),
  });
}

/**
 * Runs all undo ops, even if earlier ones fail, and returns the messages of the failures. Does not
 * count an op on a link that no longer exists, because nothing is left to undo.
 */
export async function attempt(ops: readonly Op[], run: Run): Promise<readonly string[]> {
  const outcomes = await run([ops], true);
  return outcomes.flatMap((outcome) =>
    outcome instanceof Error && !hasCode(outcome, 'LINK_MISSING') ? [outcome.message] : [],
  );
}

/** Stands in for AbortSignal, which takes longer to create than most kernel requests. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
}
