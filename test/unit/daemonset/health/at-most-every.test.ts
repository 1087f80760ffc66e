import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { atMostEvery } from '../../../../daemonset/health/at-most-every.ts';

const test = suite('atMostEvery()');

/** A computation that ends when the test says so, and a clock that the test sets. */
function scene() {
  let time = 0;
  const runs: PromiseWithResolvers<number>[] = [];
  const call = atMostEvery(
    1000,
    () => {
      runs.push(Promise.withResolvers());
      return runs.at(-1)?.promise ?? Promise.resolve(0);
    },
    () => time,
  );
  return {
    call,
    runs,
    at: (now: number) => {
      time = now;
    },
  };
}

test('100,000 calls within the interval run the computation once', async () => {
  const { call, runs, at } = scene();
  const first = call();
  runs[0]?.resolve(1);
  await first;
  for (let i = 0; i < 100_000; i++) {
    at(i / 101);
    call();
  }
  assert.is(runs.length, 1);
  at(1000);
  call();
  assert.is(runs.length, 2);
});

test('calls share a computation that takes longer than the interval', async () => {
  const { call, runs, at } = scene();
  const first = call();
  at(5000);
  const second = call();
  runs[0]?.resolve(7);
  assert.equal([await first, await second, runs.length], [7, 7, 1]);
  call();
  assert.is(runs.length, 2, 'the next call begins another one');
});

test('calls share a failure, and the next interval tries again', async () => {
  const { call, runs, at } = scene();
  const calls = [call(), call()];
  runs[0]?.reject(new Error('no'));
  for (const one of calls) assert.is(await one.catch(({ message }) => message), 'no');
  at(999);
  assert.is(await call().catch(({ message }) => message), 'no');
  at(1000);
  const next = call();
  runs[1]?.resolve(2);
  assert.is(await next, 2);
});

test.run();
