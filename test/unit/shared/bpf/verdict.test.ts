import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { endsDirectAction, endsTcx, endsXdp, isMatch, verdictOf } from '../../../../shared/bpf/verdict.ts';

const test = suite('verdictOf()');

for (const [returns, verdict] of [
  [null, 'unknown'],
  [[], 'unknown'],
  [[0], 'deadly'],
  [[0, 2], 'deadly'],
  [[-1], 'harmless'],
  [[-1, 0], 'unknown'],
] as const) {
  test(`a classifier that returns ${returns?.join(' or ') ?? 'something'} is ${verdict}`, () => {
    assert.is(verdictOf(returns, endsDirectAction), verdict);
  });
}

// test/netns/conflicts.test.ts shows by frames that the kernel acts in the same way.
test('each hook has its own values that end the processing of a frame', () => {
  const values = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  assert.equal(values.filter(endsDirectAction), [0, 2, 4, 7, 8]);
  assert.equal(values.filter(endsTcx), [0, 2, 7]);
  assert.equal(values.filter(endsXdp), [-1, 0, 1, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(values.filter(isMatch), [-1, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test.run();
