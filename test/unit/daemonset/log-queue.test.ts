import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LogQueue, MAX_BYTES } from '../../../daemonset/log-queue.ts';

const test = suite('LogQueue');

/** A queue whose output takes as many bytes as the test says. */
function scene(room = 0) {
  const state = { room, text: '', drops: 0, waits: [] as number[], isClosed: false };
  const queue = new LogQueue(
    (bytes, from, wait) => {
      if (state.isClosed) throw new Error('write');
      state.waits.push(wait);
      const part = bytes.subarray(from, from + state.room);
      state.room -= part.length;
      state.text += part.toString();
      return part.length;
    },
    () => {
      state.drops += 1;
    },
  );
  return { queue, state };
}

const line = (i: number, length = 100): string => `${String(i).padEnd(length - 1, '.')}\n`;
const messagesIn = (text: string): readonly string[] =>
  text
    .split('\n')
    .filter((one) => one.startsWith('{'))
    .map((one) => JSON.parse(one).message);

test('writes each line at once while there is room', () => {
  const { queue, state } = scene(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 10; i++) {
    queue.add(line(i));
    assert.ok(state.text.endsWith(line(i)));
  }
  assert.ok(
    state.waits.every((wait) => wait === 0),
    'never waits',
  );
});

test('keeps the order of lines and parts of lines, with any room', () => {
  for (const step of [1, 7, 99, 100, 101, 250]) {
    const { queue, state } = scene();
    let want = '';
    for (let i = 0; i < 50; i++) {
      queue.add(line(i));
      want += line(i);
      state.room = step;
      queue.flush();
    }
    state.room = Number.POSITIVE_INFINITY;
    queue.flush();
    assert.is(state.text, want, `${step} bytes at a time`);
    assert.is(state.drops, 0);
  }
});

test('drops new lines beyond the limit, counts them, and says how many where they are missing', () => {
  const { queue, state } = scene();
  const fits = Math.floor(MAX_BYTES / 100);
  for (let i = 0; i < fits + 1000; i++) queue.add(line(i));
  assert.is(state.drops, 1000);
  state.room = 100 * (Math.ceil(fits / 2) - 1);
  queue.flush();
  queue.add(line(-1));
  assert.is(state.drops, 1001, 'no line is let in before the gap is reported');
  state.room = Number.POSITIVE_INFINITY;
  queue.flush();
  queue.add(line(-2));
  assert.ok(state.text.startsWith(line(0)));
  assert.equal(messagesIn(state.text), ['Dropped log lines, because nobody read them: 1001']);
  const [before = '', after = ''] = state.text.split(/^\{.*\n/m);
  assert.is(before.length, fits * 100);
  assert.is(after, line(-2));
  assert.is(state.drops, 1001);
});

test('reports each gap once', () => {
  const { queue, state } = scene();
  for (const count of [1, 2, 3]) {
    while (state.drops < (count * (count + 1)) / 2) queue.add(line(0));
    state.room = Number.POSITIVE_INFINITY;
    queue.flush();
    state.room = 0;
  }
  const said = messagesIn(state.text).map((message) => Number(message.split(': ')[1]));
  assert.equal(said, [1, 2, 3]);
});

test('a line above the limit is dropped, and the next one is not', () => {
  const { queue, state } = scene(Number.POSITIVE_INFINITY);
  queue.add(line(0, MAX_BYTES + 1));
  queue.add(line(1));
  assert.equal(messagesIn(state.text), ['Dropped log lines, because nobody read them: 1']);
  assert.ok(state.text.endsWith(line(1)));
});

test('work grows in proportion to the lines', () => {
  const { queue, state } = scene();
  for (let i = 0; i < 100_000; i++) queue.add(line(i));
  assert.ok(state.waits.length <= 1, 'nothing is written again for each line while there is no room');
});

test('a closed output drops lines and never throws', () => {
  const { queue, state } = scene();
  for (let i = 0; i < 10; i++) queue.add(line(i));
  state.isClosed = true;
  queue.flush();
  queue.add(line(10));
  queue.end();
  assert.equal([state.drops, state.text], [11, '']);
});

test('at the end it waits for room, once for all lines', () => {
  const { queue, state } = scene();
  for (let i = 0; i < 10; i++) queue.add(line(i));
  state.waits = [];
  queue.end();
  assert.is(state.waits.length, 1);
  assert.ok((state.waits[0] ?? 0) > 0 && (state.waits[0] ?? 0) <= 1000);
  state.room = 250;
  queue.end();
  assert.is(state.text, line(0) + line(1) + line(2).slice(0, 50));
});

test.run();
