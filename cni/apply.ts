import { BindingError, messageOf } from '../shared/errors.ts';
import type { Op, Step } from './op.ts';

export type Run = (op: Op) => Promise<void>;

/**
 * Runs the steps in order. When one fails, those before it are undone, newest first, and its error is thrown; an undo that
 * fails does not stop the others and is told in `details`.
 */
export async function apply(steps: readonly Step[], run: Run): Promise<void> {
  const undos: Op[] = [];
  for (const step of steps) {
    try {
      await run(step.do);
    } catch (cause) {
      const leftovers = await attempt(undos.reverse(), run);
      if (leftovers.length === 0) throw cause;
      const code = cause instanceof BindingError ? cause.code : 'INTERNAL';
      throw new BindingError(code, `${messageOf(cause)} (rollback incomplete)`, {
        cause,
        details: leftovers.join('; '),
      });
    }
    if (step.undo !== null) undos.push(step.undo);
  }
}

/** Runs all of `ops`, whether or not earlier ones fail; returns what failed, in words. */
export async function attempt(ops: readonly Op[], run: Run): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const op of ops) {
    try {
      await run(op);
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  return failures;
}
