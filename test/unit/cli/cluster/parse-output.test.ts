import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseOutput } from '../../../../cli/cluster/parse-output.ts';

const test = suite('parseOutput()');

for (const [title, text, want] of [
  ['a list', '[1]\n', [1]],
  ['an object over several lines', '{\n  "a": [1]\n}\n', { a: [1] }],
  ['a list between lines of stderr', '(node:1) Warning: x\n[\n  {"a": 1}\n]\nKilled\n', [{ a: 1 }]],
  ['text', 'Cannot run [it]\n', undefined],
  ['a list without an end', '[1,\n', undefined],
  ['nothing', '', undefined],
  ['brackets in the wrong order', ']\n[', undefined],
] as const) {
  test(`parses ${title}`, () => assert.equal(parseOutput(text), want));
}

test('takes a moment for a megabyte of brackets', () => {
  const started = performance.now();
  assert.is(parseOutput('[\n'.repeat(2 ** 19)), undefined);
  assert.ok(performance.now() - started < 10_000);
});

test.run();
