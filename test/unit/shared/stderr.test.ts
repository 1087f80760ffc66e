import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { stderrLines } from '../../../shared/stderr.ts';

const test = suite('stderrLines()');

function scene() {
  const state = { room: 0, text: '', waits: [] as number[] };
  const add = stderrLines((bytes, from, wait) => {
    state.waits.push(wait);
    const part = bytes.subarray(from, from + Math.min(state.room, 4));
    state.room -= part.length;
    state.text += part.toString();
    return part.length;
  });
  return { add, state };
}

test('writes whole lines, in parts', () => {
  const { add, state } = scene();
  state.room = 100;
  add('0123456789\n');
  add('next\n');
  assert.is(state.text, '0123456789\nnext\n');
});

test('waits once for a reader, and again only after it has read', () => {
  const { add, state } = scene();
  for (let i = 0; i < 100; i++) add('line\n');
  assert.equal([state.waits[0], ...new Set(state.waits.slice(1))], [1000, 0]);
  state.room = 5;
  add('line\n');
  assert.is(state.text, 'line\n');
  state.waits = [];
  add('more\n');
  add('more\n');
  assert.equal(state.waits, [1000, 0]);
});

test.run();
