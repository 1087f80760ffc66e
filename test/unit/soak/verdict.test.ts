import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findProblems, type Outcome, percentile, type Sample } from '../../soak/verdict.ts';

const test = suite('the verdict of a soak');

const outcome = (change: Partial<Outcome> = {}): Outcome => ({
  command: 'ADD',
  way: 'agent',
  ms: 10,
  isKilled: false,
  exitCode: 0,
  stdout: '',
  stderr: '',
  ...change,
});
const calls = (count: number, change: Partial<Outcome> = {}) =>
  Array.from({ length: count }, () => outcome(change));

const life = (agent: number, change: (at: number) => Partial<Sample> = () => ({})): readonly Sample[] =>
  Array.from({ length: 120 }, (_, at) => ({
    ...{ agent, descriptors: 40, threads: 39, mib: 50 },
    ...change(at),
  }));

const problems = (outcomes: readonly Outcome[], samples = life(1), seen: readonly string[] = []) =>
  findProblems({ outcomes, samples, problems: seen, isAlone: true });

test('a percentile is a value that was seen', () => {
  assert.equal(
    [0.01, 0.5, 0.99, 1].map((share) => percentile([3, 1, 2], share)),
    [1, 2, 3, 3],
  );
});

test('nothing is wrong with calls that succeed and an agent that stays as it is', () => {
  assert.equal(problems(calls(300)), []);
  assert.equal(problems([...calls(990), ...calls(10, { ms: 5000 })]), [], 'one in a hundred may be slow');
});

test('slow, failed and missing calls are problems, killed ones are not', () => {
  const slow = [...calls(980), ...calls(20, { ms: 1001 })];
  assert.equal(problems(slow), ['p99 of all calls is 1001 ms']);
  const busy = { samples: life(1), problems: [], isAlone: false };
  assert.equal(findProblems({ outcomes: slow, ...busy }), [], 'a busy machine');
  assert.equal(problems([...calls(300), outcome({ exitCode: 1, stdout: 'no' })]), [
    'ADD by agent failed after 10 ms with 1: no ',
  ]);
  assert.equal(problems([...calls(300), ...calls(50, { isKilled: true, exitCode: -1, ms: 5000 })]), []);
  assert.equal(problems(calls(299)), ['only 299 calls were made']);
  assert.equal(problems(calls(300), [], ['1', '2', '3', '4', '5', '6', '7']), [
    ...['1', '2', '3', '4', '5'],
    'and 2 more problems',
  ]);
});

test('an agent that grows is a problem, and so is one that is too large', () => {
  const grown = life(2, (at) => ({ descriptors: 40 + at, threads: 39 + at }));
  assert.equal(problems(calls(300), [...life(1), ...grown]), [
    'descriptors of agent 2 grew from 114 to 144',
    'threads of agent 2 grew from 113 to 143',
  ]);
  assert.equal(
    problems(
      calls(300),
      life(1, () => ({ mib: 257 })),
    ),
    ['an agent had 257 MiB, over its limit'],
  );
  assert.equal(problems(calls(300), grown.slice(0, 89)), [], 'it is too young');
});

test.run();
