/** Every message in docs/troubleshooting.md is one that the code still says. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('docs/troubleshooting.md');

const ROOT = resolve(import.meta.dirname, '../../..');
const FOLDERS = ['cni', 'daemonset', 'nad', 'cli', 'shared', 'sidecar'];

/** Source files, in which strings that are put together are one, and their quotes are not escaped. */
const sources = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|c)$/.test(path))
    .map((path) => readFileSync(join(ROOT, folder, path), 'utf8')),
).map((text) => text.replace(/['"`] \+\s*['"`]|"\n\s*"/g, '').replaceAll('\\', ''));

const page = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8');
const rows = page.split('\n').filter((line) => line.startsWith('| `'));
const messageOf = (row: string): string => /^\| `([^`]+)` \|/.exec(row)?.[1] ?? '';

/** What variables stand for in the source takes no more than this. */
const VARIABLE = '[^;]{0,160}?';

const isSaid = (message: string): boolean => {
  const literals = message.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(literals.join(VARIABLE));
  return sources.some((source) => pattern.test(source));
};

test('there are messages, each with a meaning and something to do', () => {
  assert.ok(rows.length > 40, `${rows.length} rows`);
  for (const row of rows) assert.is(row.split(' | ').length, 3, row);
});

for (const row of rows) {
  const message = messageOf(row);
  test(message, () => {
    assert.ok(message.replaceAll('…', '').length >= 12, 'enough of it to be found');
    assert.ok(isSaid(message), 'the code says it');
  });
}

test('what no code says is found', () => {
  assert.not.ok(isSaid('Cannot wire "…": no pod links "…"'));
  assert.not.ok(isSaid('Cannot frobnicate "…": …'));
});

test.run();
