import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { countRules, sumOf } from '../../../../../cni/bindings/tap/count-rules.ts';
import {
  ACCEPT,
  COUNTER,
  DROP,
  type Expression,
  leavesBy,
} from '../../../../../shared/nftables/expression.ts';
import type { Rule } from '../../../../../shared/nftables/rule.ts';

const test = suite('countRules()');

const table = { family: 'netdev', name: 'tapwire-0' } as const;
const ruleOf = (expressions: readonly Expression[]): Rule => ({ table, chain: 'guest', expressions });
const counted = (packets: number): Expression => ({ is: 'counter', packets, bytes: packets * 100 });
const [FIRST, SECOND] = [
  [...leavesBy('tap0'), COUNTER, ACCEPT],
  [COUNTER, DROP],
];
const WANTED = [FIRST, SECOND] as const;
const CHAIN = [ruleOf([...leavesBy('tap0'), counted(3), ACCEPT]), ruleOf([counted(5), DROP])];

test('each rule has its count', () => {
  assert.equal(countRules(WANTED, CHAIN), [
    { packets: 3, bytes: 300 },
    { packets: 5, bytes: 500 },
  ]);
});

test('no rules are wanted of a chain that may have any', () => {
  assert.equal(countRules([], []), []);
  assert.equal(countRules([], CHAIN), []);
});

test('a rule that is missing, changed or in another place is noticed', () => {
  for (const chain of [
    [],
    CHAIN.slice(1),
    CHAIN.slice(0, 1),
    CHAIN.toReversed(),
    [CHAIN[0] as Rule, ruleOf([counted(5), ACCEPT])],
    [ruleOf([...leavesBy('tap1'), counted(3), ACCEPT]), CHAIN[1] as Rule],
    [ruleOf([...leavesBy('tap0'), ACCEPT, DROP]), CHAIN[1] as Rule],
  ])
    assert.is(countRules(WANTED, chain), null);
});

test('rules of others in between do not matter', () => {
  const other = ruleOf([...leavesBy('eth0'), DROP]);
  const [first, second] = CHAIN as [Rule, Rule];
  assert.equal(countRules(WANTED, [other, first, other, second, other])?.length, 2);
});

test('a rule without a counter has counted nothing', () => {
  assert.equal(countRules([[DROP]], [ruleOf([DROP])]), [{ packets: 0, bytes: 0 }]);
});

test('one rule does not count for two', () => {
  assert.is(countRules([[DROP], [DROP]], [ruleOf([DROP])]), null);
});

test('sumOf() adds packets and bytes', () => {
  assert.equal(sumOf([]), { packets: 0, bytes: 0 });
  assert.equal(
    sumOf([
      { packets: 1, bytes: 60 },
      { packets: 2, bytes: 200 },
    ]),
    { packets: 3, bytes: 260 },
  );
});

test.run();
