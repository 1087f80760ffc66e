import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { apply, attempt } from '../../../cni/apply.ts';
import type { Op, Step } from '../../../cni/op.ts';
import { BindingError } from '../../../shared/errors.ts';
import { caught } from '../../helpers/caught.ts';

const test = suite('apply()');

const up = (link: string): Op => ({ op: 'setUp', link, on: true });
const down = (link: string): Op => ({ op: 'setUp', link, on: false });
const STEPS: readonly Step[] = [
  { do: up('a'), undo: down('a') },
  { do: up('b'), undo: null },
  { do: up('c'), undo: down('c') },
  { do: up('d'), undo: down('d') },
];

/** Records what ran; fails for the ops in `broken`. */
function recorder(...broken: readonly Op[]) {
  const ran: Op[] = [];
  const run = async (op: Op) => {
    ran.push(op);
    if (broken.some((b) => JSON.stringify(b) === JSON.stringify(op))) {
      throw new BindingError('KERNEL_REFUSED', `no ${'link' in op ? op.link : ''} ${op.op}`);
    }
  };
  return { ran, run };
}

test('runs every step in order', async () => {
  const { ran, run } = recorder();
  await apply(STEPS, run);
  assert.equal(ran, [up('a'), up('b'), up('c'), up('d')]);
});

test('a failing step: the earlier ones are undone, newest first, and its error is thrown', async () => {
  const { ran, run } = recorder(up('d'));
  const error = await caught(() => apply(STEPS, run));
  assert.equal(ran, [up('a'), up('b'), up('c'), up('d'), down('c'), down('a')]);
  assert.equal([error.code, error.message, error.details], ['KERNEL_REFUSED', 'no d setUp', undefined]);
});

test('a failing undo does not stop the others and is told', async () => {
  const { ran, run } = recorder(up('d'), down('c'));
  const error = await caught(() => apply(STEPS, run));
  assert.equal(ran.slice(-2), [down('c'), down('a')]);
  assert.equal(
    [error.code, error.message, error.details],
    ['KERNEL_REFUSED', 'no d setUp (rollback incomplete)', 'no c setUp'],
  );
});

test('attempt() goes on after a failure and returns all of them', async () => {
  const { ran, run } = recorder(up('a'), up('c'));
  assert.equal(await attempt([up('a'), up('b'), up('c')], run), ['no a setUp', 'no c setUp']);
  assert.is(ran.length, 3);
});

test.run();
