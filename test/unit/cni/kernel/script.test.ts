import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newScript } from '../../../../cni/kernel/script.ts';
import type { Op } from '../../../../cni/plan/op.ts';
import type { Part } from '../../../../shared/netns/part.ts';

const test = suite('newScript()');

const up = (link: string): Op => ({ op: 'setLink', link, change: { set: 'up', on: true } });
const requests = (...types: readonly number[]) => types.map((type) => ({ type, flags: 0, body: [] }));
const change = (...types: readonly number[]): Part => ({ part: 'change', requests: requests(...types) });
const REFUSED = { errno: 12, reason: 'busy' };

/** Two levels: requests of `a` and `b` together, then a part of its own, then `c`; and `d`. */
function example() {
  const script = newScript();
  script.add(up('a'), change(1));
  script.add(up('b'), change(2, 3));
  script.add({ op: 'persistTap', link: 'tap0' }, { part: 'persistTap' });
  script.add(up('c'), change(4));
  script.endLevel();
  script.add(up('d'), change(5));
  return script;
}

test('requests of one level are sent together in order, and those of the next level separately', () =>
  assert.equal(example().parts, [change(1, 2, 3), { part: 'persistTap' }, change(4), change(5)]));

test('ops keep their order', () =>
  assert.equal(
    example().ops.map((op) => ('link' in op ? op.link : '')),
    ['a', 'b', 'tap0', 'c', 'd'],
  ));

test('each op gets the outcome of its own requests, which is the first rejection among several', () => {
  const outcomes = example().outcomesOf([['done', 'done', REFUSED], [REFUSED], ['done'], ['done']]);
  assert.equal(
    outcomes.map((outcome) => (outcome instanceof Error ? outcome.message : outcome)),
    ['done', 'Cannot set "b" up: busy', 'Cannot make tap "tap0" persistent: busy', 'done', 'done'],
  );
});

test('outcomesOf() tells ops that were not reached from those that are done', () =>
  assert.equal(
    example()
      .outcomesOf([['done', 'done', 'done'], [REFUSED], 'notReached'])
      .slice(3),
    ['notReached', 'notReached'],
  ));

test('an op without requests is done when its part is', () => {
  const script = newScript();
  script.add(up('a'), change());
  assert.equal(script.outcomesOf([[]]), ['done']);
});

test.run();
