import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AGENT, type Results } from '../../../bench/results.ts';
import { describeTargets, judge } from '../../../bench/targets.ts';
import { RESULTS } from './results.ts';

const test = suite('the targets of the benchmark');

const missed = (results: Results) =>
  judge(results)
    .filter(({ isMet }) => !isMet)
    .map(({ target, found }) => `${target}: ${found}`);

test('every target is judged', () => {
  assert.equal(
    judge(RESULTS).map(({ found }) => found),
    [
      '0.20',
      '0.05',
      '40 of 40',
      '400',
      '2.50',
      '0.20',
      '0.18',
      '70',
      '1.10 (with it 1.50)',
      '0.20',
      '50 succeeded, 0 OOM kills',
      ...['500', '2', '12', '29.50', '0'],
      ...['500', '29.50', '0'],
    ],
  );
  assert.equal(missed(RESULTS), []);
});

test('growth that is not the kernel’s is a target missed', () => {
  const growth = RESULTS.growth.map((row) => ({ ...row, kernel: RESULTS.growth[0].kernel }));
  assert.equal(missed({ ...RESULTS, growth }), [
    'ADD with 250 pods, of ADD with 1, without the kernel’s share <= 1.25: 1.50 (with it 1.50)'.replace(
      '’',
      "'",
    ),
  ]);
});

test('an ADD that fails behind a DEL, and one that was killed, are targets missed', () => {
  const calls = RESULTS.calls.map((row) => ({ ...row, addBehindDel: { tried: 40, done: 39 } }));
  const limits = RESULTS.limits.map((row) => ({
    ...row,
    atOnce: { ...row.atOnce, succeeded: 49, oomKills: 1 },
  }));
  assert.equal(missed({ ...RESULTS, calls, limits }), [
    'ADD right behind DEL succeeds: 39 of 40',
    '50 ADDs at once there, without an OOM kill: 49 succeeded, 1 OOM kills',
  ]);
});

test('a sidecar that is slow to answer, too big or killed is a target missed', () => {
  const define = { median: 3.5, p99: 16 };
  const hooks = RESULTS.hooks.map((row) => ({ ...row, define, memory: 33, oomKills: 1 }));
  assert.equal(missed({ machine: RESULTS.machine, hooks }), [
    'OnDefineDomain, p50, ms <= 3: 3.50',
    'OnDefineDomain, p99, ms <= 15: 16',
    ...['1 interface', '16 interfaces'].flatMap((count) => [
      `sidecar of ${count}, anonymous memory after 1,000 calls, MiB <= 32: 33`,
      `sidecar of ${count}, OOM kills in 64 MB <= 0: 1`,
    ]),
  ]);
});

test('without the agent nothing is judged, and that is said', () => {
  const calls = RESULTS.calls.filter(({ peer }) => peer !== AGENT);
  assert.equal(judge({ machine: RESULTS.machine, calls }), []);
  assert.match(describeTargets([]), 'No target can be judged');
});

test('a missed target stands out', () => {
  assert.match(describeTargets([{ target: 'ADD', found: '0.40', isMet: false }]), /^ADD +0\.40 +MISSED$/m);
});

test.run();
