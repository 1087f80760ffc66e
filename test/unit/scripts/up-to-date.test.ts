import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isUpToDate, keyOf, writeStamp } from '../../../scripts/up-to-date.ts';

const test = suite('isUpToDate()');

/** Calls `act` with the finished output of the key "now": two files, and one in another place. */
function withOutput(act: (output: string, outside: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-stamp-'));
  try {
    const [output, outside] = [join(directory, 'made'), join(directory, 'addon')];
    mkdirSync(join(output, '.hidden'), { recursive: true });
    for (const path of [join(output, 'a'), join(output, '.hidden/b'), outside]) writeFileSync(path, 'made');
    writeStamp(output, 'now', [outside]);
    act(output, outside);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('an output is up to date for its key, also when renamed and next to other files', () => {
  withOutput((output) => {
    assert.is(isUpToDate(output, 'now'), true);
    assert.is(isUpToDate(output, 'then'), false);
    writeFileSync(join(output, 'other'), '');
    renameSync(output, `${output}2`);
    assert.is(isUpToDate(`${output}2`, 'now'), true);
    assert.is(isUpToDate(output, 'now'), false);
  });
});

for (const [what, act] of [
  ['is missing', (path: string) => rmSync(path)],
  ['has changed', (path: string) => writeFileSync(path, 'changed')],
] as const) {
  test(`an output of which a file ${what} is not up to date`, () => {
    for (const choose of [
      (output: string) => join(output, '.hidden/b'),
      (_: string, outside: string) => outside,
      (output: string) => join(output, '.stamp'),
    ]) {
      withOutput((output, outside) => {
        act(choose(output, outside));
        assert.is(isUpToDate(output, 'now'), false);
      });
    }
  });
}

test('keyOf() changes with the name and content of a file, and with the facts', () => {
  withOutput((output) => {
    const key = (facts: readonly string[] = []) => keyOf([`${output}/*`], facts);
    const first = key();
    assert.is(key(), first);
    assert.is.not(key(['gcc 14']), first);
    writeFileSync(join(output, 'a'), 'else');
    const second = key();
    assert.is.not(second, first);
    renameSync(join(output, 'a'), join(output, 'c'));
    assert.is.not(key(), second);
  });
});

test.run();
