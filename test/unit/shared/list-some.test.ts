import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { listSome } from '../../../shared/list-some.ts';

const test = suite('listSome()');

const items = (count: number) => Array.from({ length: count }, (_, i) => `v${i}`);

for (const [count, want] of [
  [0, ''],
  [1, 'v0'],
  [20, items(20).join(', ')],
  [21, `${items(20).join(', ')}, and 1 more`],
  [10_000, `${items(20).join(', ')}, and 9980 more`],
] as const) {
  test(`lists ${count} items`, () => assert.is(listSome(items(count)), want));
}

test('lists as many as asked, with another separator', () =>
  assert.is(listSome(items(4), '; ', 2), 'v0; v1; and 2 more'));

test.run();
