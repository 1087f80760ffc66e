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

test('every target gets a verdict', () => {
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
      '1.10 (1.50 with it)',
      '0.20',
      '50 succeeded, 0 OOM kills',
      ...['2.50', '0.04', '2', '2', '29.50', '0'],
      ...['2.50', '0.04', '29.50', '0'],
    ],
  );
  assert.equal(missed(RESULTS), []);
});

test('growth that the kernel does not cause is a missed target', () => {
  const growth = RESULTS.growth.map((row) => ({ ...row, kernel: RESULTS.growth[0].kernel }));
  assert.equal(missed({ ...RESULTS, growth }), [
    "ADD with 250 pods, ratio to ADD with 1, without the kernel's share <= 1.25: 1.50 (1.50 with it)",
  ]);
});

test('an ADD that fails right after DEL is a missed target, and so is an OOM kill', () => {
  const calls = RESULTS.calls.map((row) => ({ ...row, addBehindDel: { tried: 40, done: 39 } }));
  const limits = RESULTS.limits.map((row) => ({
    ...row,
    atOnce: { ...row.atOnce, succeeded: 49, oomKills: 1 },
  }));
  assert.equal(missed({ ...RESULTS, calls, limits }), [
    'ADD immediately after DEL succeeds: 39 of 40',
    '50 ADDs at once with these limits succeed, without an OOM kill: 49 succeeded, 1 OOM kills',
  ]);
});

test('a sidecar that starts or replies slowly, is too big or was killed is a missed target', () => {
  const slow = {
    start: { median: 1100, p90: 1200, n: 7 },
    define: { median: 5.5, p99: 16 },
    firstReply: { median: 0.2, p90: 0.3, n: 7 },
  };
  const hooks = RESULTS.hooks.map((row) => ({ ...row, ...slow, memory: 33, oomKills: 1 }));
  assert.equal(missed({ machine: RESULTS.machine, hooks }), [
    'sidecar with 1 interface, exec to Info with 200m CPU, ratio to an empty Node.js <= 5: 5.50',
    'sidecar with 1 interface, socket to Info with 200m CPU, share of exec to socket <= 0.1: 0.20',
    'OnDefineDomain, p50, ratio to Info <= 5: 5.50',
    'OnDefineDomain, p99, ratio to Info <= 5: 5.33',
    'sidecar with 1 interface, anonymous memory after 1,000 calls, MiB <= 32: 33',
    'sidecar with 1 interface, OOM kills in 64 MB <= 0: 1',
    'sidecar with 16 interfaces, exec to Info with 200m CPU, ratio to an empty Node.js <= 5: 5.50',
    'sidecar with 16 interfaces, socket to Info with 200m CPU, share of exec to socket <= 0.1: 0.20',
    'sidecar with 16 interfaces, anonymous memory after 1,000 calls, MiB <= 32: 33',
    'sidecar with 16 interfaces, OOM kills in 64 MB <= 0: 1',
  ]);
});

test('a run without the agent gets no verdicts, and the output says so', () => {
  const calls = RESULTS.calls.filter(({ peer }) => peer !== AGENT);
  assert.equal(judge({ machine: RESULTS.machine, calls }), []);
  assert.match(describeTargets([]), 'Judged no target');
});

test('the table shows MISSED for a missed target', () => {
  assert.match(describeTargets([{ target: 'ADD', found: '0.40', isMet: false }]), /^ADD +0\.40 +MISSED$/m);
});

test.run();
