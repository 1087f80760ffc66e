/** docs/metrics.md lists exactly the agent's metrics, with their labels, values and error codes. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CODES } from '../../../cni/result.ts';
import type { End } from '../../../daemonset/calls/caller.ts';
import { addDeviceMetrics, addScanMetrics, addThreadMetric, newMetrics } from '../../../daemonset/metrics.ts';
import type { PodConflict } from '../../../daemonset/scan/findings.ts';
import { MESSAGES } from '../../../daemonset/scan/guest-counts.ts';

const test = suite('docs/metrics.md');

const page = readFileSync(resolve(import.meta.dirname, '../../../docs/metrics.md'), 'utf8');
/** Cells of each row of a section's tables. The first section has no heading of its own. */
const rowsOf = (heading: string): readonly (readonly string[])[] =>
  (page.split(/^## /m).find((section) => section.startsWith(heading)) ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(1, -1).split('|'))
    .map((cells) => cells.map((cell) => cell.trim()));

/** prom-client's metrics have the names of their labels, which its types leave out. */
interface Registered {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

async function registered(): Promise<readonly Registered[]> {
  const metrics = newMetrics();
  addThreadMetric(metrics, () => 0);
  addScanMetrics(metrics, { last: () => null, messages: () => [] });
  addDeviceMetrics(metrics, () => []);
  const described = await metrics.registry.getMetricsAsJSON();
  return metrics.registry.getMetricsAsArray().map(({ name, help }) => ({
    name,
    help,
    type: String(described.find((one) => one.name === name)?.type),
    labelNames: (metrics.registry.getSingleMetric(name) as unknown as Registered).labelNames,
  }));
}

test('each metric has a row with its type, its labels and its help text, and no other metric has one', async () => {
  const all = await registered();
  const rows = rowsOf('# Metrics').filter(([name]) => name?.startsWith('`'));
  const [said, names] = [rows.map(([name]) => name?.slice(1, -1)), all.map(({ name }) => name)];
  const missing = names.filter((name) => !said.includes(name));
  assert.equal(missing, [], `docs/metrics.md lacks a row for ${missing.join(', ')}`);
  const unknown = said.filter((name = '') => !names.includes(name));
  assert.equal(unknown, [], `the agent has no metric ${unknown.join(', ')}; correct docs/metrics.md`);
  const expected = all.map(({ name, type, labelNames, help }) => [
    `\`${name}\``,
    type,
    labelNames.map((label) => `\`${label}\``).join(', '),
    help,
  ]);
  assert.equal(rows.map((row) => row.slice(0, 4)).sort(), expected.sort());
  for (const row of rows) assert.match(row[4] ?? '', /\w{3,}.*\.$/, `${row[0]} says what to do`);
});

test('each label has a row', async () => {
  const labels = new Set((await registered()).flatMap(({ labelNames }) => labelNames));
  const rows = rowsOf('Labels').slice(2);
  assert.equal(rows.map(([label]) => label?.replaceAll('`', '')).sort(), [...labels].sort());
});

/** The compiler compares these with the code. */
const REASONS = { 'no request': 1, left: 1, slow: 1, broken: 1, 'not root': 1 } satisfies Record<
  Exclude<End, 'answered'> | 'not root',
  1
>;
const VERDICTS = { deadly: 1, unknown: 1 } satisfies Record<PodConflict['verdict'], 1>;

test('each reason and each verdict is explained', () => {
  const rows = rowsOf('Reasons').slice(2);
  assert.equal(rows.map(([reason]) => reason?.replaceAll('`', '')).sort(), Object.keys(REASONS).sort());
  for (const [label, values] of Object.entries({ reason: REASONS, verdict: VERDICTS })) {
    const cell = rowsOf('Labels').find(([first]) => first === `\`${label}\``)?.[1] ?? '';
    assert.equal(
      [...cell.matchAll(/`([\w ]+)`/g)].map(([, value]) => value),
      Object.keys(values),
    );
  }
});

test('each message of the guest services is explained', () => {
  const quoted = (cell = '') => [...cell.matchAll(/`(\w+)`/g)].map(([, value = '']) => value);
  const explained = rowsOf('Results of guest services')
    .slice(2)
    .flatMap(([protocols, results]) =>
      quoted(protocols).flatMap((protocol) => quoted(results).map((result) => `${protocol} ${result}`)),
    );
  const messages = MESSAGES.map((message) => message.join(' '));
  assert.equal(explained.sort(), [...messages].sort());
  for (const [i, label] of ['protocol', 'result'].entries()) {
    const cell = rowsOf('Labels').find(([first]) => first === `\`${label}\``)?.[1];
    assert.equal([...new Set(quoted(cell))].sort(), [...new Set(MESSAGES.map((pair) => pair[i]))].sort());
  }
});

/** The numbers in a cell: `0`, `1, 4, 5` or `100 to 103`. */
const codesIn = (cell: string): readonly number[] =>
  cell.split(', ').flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split(' to ').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });

test('each error code of the plugin is in one row', () => {
  const rows = rowsOf('Codes').slice(2);
  assert.equal(
    rows.flatMap(([codes = '']) => codesIn(codes)),
    [0, ...new Set(Object.values(CODES))].sort((one, other) => one - other),
  );
});

test.run();
