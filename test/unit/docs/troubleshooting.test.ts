/** Checks that each message in docs/troubleshooting.md exists in the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('docs/troubleshooting.md');

const ROOT = resolve(import.meta.dirname, '../../..');
const FOLDERS = ['cni', 'daemonset', 'nad', 'cli', 'shared', 'sidecar'];

/** Texts of the source files, with concatenated strings joined and quotes unescaped. */
const sources = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|c)$/.test(path))
    .map((path) => readFileSync(join(ROOT, folder, path), 'utf8')),
).map((text) => text.replace(/['"`] \+\s*['"`]|"\n\s*"/g, '').replaceAll('\\', ''));

const page = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8');
const rows = page.split('\n').filter((line) => line.startsWith('| `'));
/** The messages in the first cell of a row, separated by semicolons. */
const messagesOf = (row: string): readonly string[] =>
  [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, message = '']) => message);

/** Matches the text that a variable stands for in the source. */
const VARIABLE = '[^;]{0,160}?';

const isSaid = (message: string): boolean => {
  const literals = message.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(literals.join(VARIABLE));
  return sources.some((source) => pattern.test(source));
};

test('each row has a message, a meaning and a remedy', () => {
  assert.ok(rows.length > 40, `${rows.length} rows`);
  for (const row of rows) assert.is(row.split(' | ').length, 3, row);
});

for (const message of rows.flatMap(messagesOf)) {
  test(`the code contains: ${message}`, () => {
    assert.ok(message.replaceAll('…', '').length >= 12, 'the message is long enough');
    assert.ok(isSaid(message), 'no source file has this text; correct the row of docs/troubleshooting.md');
  });
}

test('isSaid() returns false for text that the code lacks', () => {
  assert.not.ok(isSaid('Cannot wire "…": no pod links "…"'));
  assert.not.ok(isSaid('Cannot frobnicate "…": …'));
});

test.run();
