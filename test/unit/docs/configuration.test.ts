/** README's table "Configuration" has the keys of a NAD that bindings read, and no others. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KEYS_OF_BINDING } from '../../../cni/request/config.ts';

const test = suite("README's table of keys");

const page = readFileSync(resolve(import.meta.dirname, '../../../README.md'), 'utf8');

test('each key of a binding has a row, and no other key has one', () => {
  const section = /^#+ Configuration\n(.*?)^#/ms.exec(page)?.[1] ?? '';
  const cells = [...section.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = '']) => cell);
  const said = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, key = '']) => key));
  const keys = [...new Set(['binding', ...Object.values(KEYS_OF_BINDING).flat()])];
  assert.equal(said.sort(), keys.sort(), 'the keys of cni/request/config.ts');
});

test.run();
