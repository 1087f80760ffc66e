import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { apply, attempt, rollbacks } from '../../../../cni/plan/apply.ts';
import type { Level, Op, Outcome, Run } from '../../../../cni/plan/op.ts';
import { BindingError } from '../../../../shared/errors.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('apply()');

const up = (link: string): Op => ({ op: 'setLink', link, change: { set: 'up', on: true } });
const down = (link: string): Op => ({ op: 'setLink', link, change: { set: 'up', on: false } });
const LEVELS: readonly Level[] = [
  [{ do: up('a'), undo: [down('a')] }],
  [
    { do: up('b'), undo: [] },
    { do: up('c'), undo: [down('c')] },
    { do: up('d'), undo: [down('d')] },
  ],
  [{ do: up('e'), undo: [down('e')] }],
];

/**
 * Records the ops that ran, level by level. Fails for the ops in `broken` and completes their
 * level, as the kernel does.
 */
function recorder(...broken: readonly Op[]) {
  const ran: (readonly Op[])[] = [];
  const isBroken = (op: Op) => broken.some((b) => JSON.stringify(b) === JSON.stringify(op));
  const run: Run = async (levels, continueOnError) => {
    const outcomes: Outcome[] = [];
    for (const level of levels) {
      if (!continueOnError && outcomes.some((outcome) => outcome !== 'done')) break;
      ran.push(level);
      outcomes.push(...level.map((op) => (isBroken(op) ? refuse(op) : 'done')));
    }
    return outcomes;
  };
  const refuse = (op: Op) => new BindingError('KERNEL_REFUSED', `no ${'link' in op ? op.link : ''} ${op.op}`);
  return { ran, run };
}

test('every level runs in order, its steps together', async () => {
  const { ran, run } = recorder();
  await apply(LEVELS, run);
  assert.equal(ran, [[up('a')], [up('b'), up('c'), up('d')], [up('e')]]);
});

test('a failing step makes every completed step be undone, newest first, including later ones of its level, and its error is thrown', async () => {
  const { ran, run } = recorder(up('c'));
  const error = await caught(() => apply(LEVELS, run));
  assert.equal(ran, [[up('a')], [up('b'), up('c'), up('d')], [down('d'), down('a')]]);
  assert.equal([error.code, error.message, error.details], ['KERNEL_REFUSED', 'no c setLink', undefined]);
});

test('a first step that is optional is replaced by its alternative when it fails', async () => {
  const { ran, run } = recorder(up('a'));
  const refusals: string[] = [];
  const orElse = ({ message }: Error): readonly Level[] => {
    refusals.push(message);
    return LEVELS.slice(1);
  };
  await apply(LEVELS, run, undefined, orElse);
  assert.equal(refusals, ['no a setLink']);
  assert.equal(ran, [[up('a')], [up('b'), up('c'), up('d')], [up('e')]]);
});

test('a failed first step that may have taken effect is undone before its alternative runs', async () => {
  const ran: (readonly Op[])[] = [];
  const run: Run = async (levels) => {
    ran.push(levels.flat());
    return levels.flat().map((op) => (ran.length === 1 && op === LEVELS[0]?.[0]?.do ? LOST : 'done'));
  };
  await apply(LEVELS.slice(0, 1), run, undefined, () => LEVELS.slice(2));
  assert.equal(ran, [[up('a')], [down('a')], [up('e')]]);
});
const LOST = new BindingError('TRY_AGAIN', 'the answer is lost');

test('rules that the kernel refused are deleted, because some of their filters may have been added', async () => {
  const addition: Op = {
    ...{ op: 'addRules', link: 'tap0', to: 'eth0', cookie: '', rules: [], isGuard: false, owner: 7 },
  };
  const deletion: Op = { op: 'deleteRules', link: 'tap0', owner: 7 };
  const { ran, run } = recorder(addition);
  await caught(() =>
    apply(
      [
        [
          { do: up('a'), undo: [down('a')] },
          { do: addition, undo: [deletion] },
        ],
      ],
      run,
    ),
  );
  assert.equal(ran, [
    [up('a'), addition],
    [deletion, down('a')],
  ]);
});

test('only the first step is optional: everything is undone if a later step or one of the alternative fails', async () => {
  const late = recorder(up('c'));
  const unasked = (): never => {
    throw new Error('nobody asks for something else');
  };
  assert.is((await caught(() => apply(LEVELS, late.run, undefined, unasked))).message, 'no c setLink');
  const twice = recorder(up('a'), up('e'));
  const error = await caught(() => apply(LEVELS, twice.run, undefined, () => LEVELS.slice(1)));
  assert.is(error.message, 'no e setLink');
  assert.equal(twice.ran.at(-1), [down('d'), down('c')]);
});

test('a first step that fails after the caller has stopped waiting has no alternative', async () => {
  const { ran, run } = recorder(up('a'));
  const signal = { aborted: false, reason: new Error('gone') };
  const abort: Run = (levels, continueOnError) => {
    signal.aborted = true;
    return run(levels, continueOnError);
  };
  await caught(() => apply(LEVELS, abort, signal, () => LEVELS.slice(1)));
  assert.equal(ran, [[up('a')]]);
});

test('apply() undoes a step by all ops of its undo, in their order', async () => {
  const { ran, run } = recorder(up('e'));
  const step = { do: up('b'), undo: [down('b'), up('a')] };
  await caught(() => apply([[{ do: up('a'), undo: [down('a')] }], [step, ...(LEVELS[2] ?? [])]], run));
  assert.equal(ran.at(-1), [down('b'), up('a'), down('a')]);
});

test('of several failing steps the first gives the error', async () => {
  const { run } = recorder(up('d'), up('c'));
  assert.is((await caught(() => apply(LEVELS, run))).message, 'no c setLink');
});

test('a step that was not reached fails although no other step did, and undoes what was done', async () => {
  const ran: (readonly Op[])[] = [];
  const run: Run = async (levels, continueOnError) => {
    ran.push(levels.flat());
    return levels.flat().map((_, i) => (i < 2 || continueOnError ? 'done' : 'notReached'));
  };
  const failure = await apply(LEVELS, run).catch((error: Error) => error.message);
  assert.is(failure, 'Cannot set "c" up: an earlier change did not succeed');
  assert.equal(ran[1], [down('a')]);
});

test('a failing first step leaves nothing to undo', async () => {
  const { ran, run } = recorder(up('a'));
  assert.is((await caught(() => apply(LEVELS, run))).message, 'no a setLink');
  assert.equal(ran, [[up('a')]]);
});

test('a failing undo is reported and does not stop the others', async () => {
  const { ran, run } = recorder(up('e'), down('c'));
  const error = await caught(() => apply(LEVELS, run));
  assert.equal(ran.at(-1), [down('d'), down('c'), down('a')]);
  assert.equal(
    [error.code, error.message, error.details],
    ['KERNEL_REFUSED', 'no e setLink (rollback incomplete)', 'no c setLink'],
  );
});

test('a step that may have taken effect is undone as well', async () => {
  const lost: Run = async (levels, continueOnError) => {
    const outcomes = await run(levels, continueOnError);
    return outcomes.map((outcome, i) =>
      !continueOnError && i === 2 ? new BindingError('TRY_AGAIN', 'lost') : outcome,
    );
  };
  const { ran, run } = recorder();
  const error = await caught(() => apply(LEVELS.slice(0, 2), lost));
  assert.equal(ran.at(-1), [down('d'), down('c'), down('a')]);
  assert.is(error.message, 'lost');
});

test('once the caller has stopped waiting, completed steps are undone and the reason is thrown', async () => {
  const gone = new AbortController();
  const { ran, run } = recorder();
  const error = await caught(() =>
    apply(
      LEVELS,
      (levels, continueOnError) => {
        gone.abort(new BindingError('TRY_AGAIN', 'Cannot finish: nobody waits'));
        return run(levels, continueOnError);
      },
      gone.signal,
    ),
  );
  assert.equal(ran.at(-1), [down('e'), down('d'), down('c'), down('a')]);
  assert.equal([error.code, error.message], ['TRY_AGAIN', 'Cannot finish: nobody waits']);
  const late = recorder();
  assert.is(await caught(() => apply(LEVELS, late.run, gone.signal)), error);
  assert.equal(late.ran, []);
});

test('a rollback is reported to the listener', async () => {
  const told: unknown[] = [];
  const listen = (cause: unknown) => told.push(cause);
  rollbacks.subscribe(listen);
  const error = await caught(() => apply(LEVELS, recorder(up('e')).run));
  await apply(LEVELS, recorder().run);
  rollbacks.unsubscribe(listen);
  assert.equal(told, [error]);
});

test('attempt() continues after a failure and returns all failures', async () => {
  const { ran, run } = recorder(up('a'), up('c'));
  assert.equal(await attempt([up('a'), up('b'), up('c')], run), ['no a setLink', 'no c setLink']);
  assert.is(ran.length, 1);
});

test('attempt() has nothing to undo on a link that is gone', async () => {
  const run: Run = async ([ops = []]) =>
    ops.map((_, i) => new BindingError(i === 0 ? 'LINK_MISSING' : 'KERNEL_REFUSED', `no ${i}`));
  assert.equal(await attempt([up('a'), up('b')], run), ['no 1']);
});

test.run();
