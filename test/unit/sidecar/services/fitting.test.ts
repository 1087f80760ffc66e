import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fitting } from '../../../../sidecar/services/fitting.ts';

const test = suite('fitting()');

for (const [why, lengths, room, want] of [
  ['all parts that fill the room', [3, 4], 7, [3, 4]],
  ['the first parts', [3, 4], 6, [3]],
  ['nothing after a part that does not fit', [3, 4, 1], 6, [3]],
  ['nothing, if the first part does not fit', [3], 2, []],
  ['an empty part, if there is no room', [0], 0, [0]],
  ['nothing, if there is less than no room', [0], -1, []],
] as const) {
  test(`returns ${why}`, () => {
    const parts = lengths.map((length) => Buffer.alloc(length));
    assert.equal(
      fitting(parts, room).map(({ length }) => length),
      [...want],
    );
  });
}

test.run();
