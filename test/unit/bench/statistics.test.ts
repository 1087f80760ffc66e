import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { quantile, shuffled, spread } from '../../../bench/statistics.ts';

const test = suite('the statistics of the benchmark');

test('a quantile lies between the two nearest values, in any order', () => {
  assert.is(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.is(quantile([10, 0], 0.9), 9);
  assert.is(quantile([7], 0.9), 7);
  assert.is(quantile([30, 4], 0), 4);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

test('a spread has four digits and the number of values', () => {
  assert.equal(spread([1.23456, 1.23456]), { median: 1.235, p90: 1.235, n: 2 });
  assert.equal(spread([0, 12345]), { median: 6173, p90: 11110, n: 2 });
});

test('shuffling keeps every value and does not change its input', () => {
  const given = [1, 2, 3, 4, 5];
  assert.equal(
    shuffled(given, () => 0),
    [2, 3, 4, 5, 1],
  );
  assert.equal(
    shuffled(given, () => 0.999),
    given,
  );
  assert.equal([...shuffled(given, Math.random)].sort(), given);
  assert.equal(given, [1, 2, 3, 4, 5]);
});

test.run();
