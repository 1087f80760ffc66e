/**
 * Every requirement of the CNI specification, its library and other plugins' tests, run against the
 * executable, as one table.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  isTested,
  renderTable,
  type Section,
  settleDocument,
  titleOf,
} from '../helpers/plugin/conformance.ts';
import { inOneWay, RUNS_ALL } from '../helpers/plugin/way.ts';
import { ARGUMENTS } from './conformance/arguments.ts';
import { CHECKING } from './conformance/check.ts';
import { DELETION } from './conformance/del.ts';
import { ENVIRONMENT } from './conformance/environment.ts';
import { ERRORS } from './conformance/errors.ts';
import { COLLECTION } from './conformance/gc.ts';
import { INPUT } from './conformance/input.ts';
import { LIBRARY } from './conformance/library.ts';
import { MACVTAP } from './conformance/macvtap.ts';
import { MULTUS } from './conformance/multus.ts';
import { NETNS } from './conformance/node-netns.ts';
import { PASST } from './conformance/passt.ts';
import { PREV_RESULT } from './conformance/prev-result.ts';
import { RESULTS } from './conformance/results.ts';
import { SKELETON } from './conformance/skeleton.ts';
import { STATUS } from './conformance/status.ts';
import { TAP } from './conformance/tap-plugin.ts';
import { VERSIONS } from './conformance/versions.ts';

const test = suite('CNI conformance');

const SECTIONS: readonly Section[] = [
  ENVIRONMENT,
  INPUT,
  VERSIONS,
  RESULTS,
  PREV_RESULT,
  ERRORS,
  DELETION,
  CHECKING,
  COLLECTION,
  STATUS,
  ARGUMENTS,
  NETNS,
  SKELETON,
  LIBRARY,
  TAP,
  MACVTAP,
  MULTUS,
  PASST,
];

/** Most of a row's time is spent waiting for others: the kernel, a lock. */
const AT_ONCE = 3;

/** Runs all of `acts`, so many at once, in their order; a promise for each. */
function startAll(acts: readonly (() => unknown)[]): readonly Promise<unknown>[] {
  const waiting: (() => Promise<unknown>)[] = [];
  const started = acts.map(
    (act) =>
      new Promise((resolve) => {
        waiting.push(async () => {
          const done = (async () => act())();
          resolve(
            done.then(
              () => null,
              (error) => ({ error }),
            ),
          );
          await done.catch(() => null);
        });
      }),
  );
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next();
  };
  for (let i = 0; i < AT_ONCE; i++) void work();
  return started;
}

const tested = SECTIONS.flatMap(({ rows }) => rows)
  .filter(isTested)
  .filter(({ everyWay }) => everyWay || RUNS_ALL);
const outcomes = startAll(tested.map((row) => row.test));
const passed = new Set<string>();
for (const [index, row] of tested.entries()) {
  test(titleOf(row), async () => {
    const failure = (await outcomes[index]) as { readonly error: unknown } | null;
    if (failure !== null) throw failure.error;
    passed.add(titleOf(row));
  });
}

test('every requirement is in the table once', () => {
  const ids = SECTIONS.flatMap(({ rows }) => rows).map(({ id }) => id);
  assert.equal(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
  );
});

inOneWay(test)('docs/conformance.md is what these tests found', () =>
  settleDocument(renderTable(SECTIONS, passed)),
);

test.run();
