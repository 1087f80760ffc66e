import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  differencesOf,
  formatInventory,
  isSame,
  parseInventory,
  STAGING,
  stagingName,
  VERSION_DIRECTORY,
  versionDirectory,
} from '../../../../daemonset/install/inventory.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('the inventory');

const FILE = { sha256: 'aa', mode: 0o644 };
const INVENTORY = {
  version: '1.2.3',
  shim: FILE,
  runtime: { node: { ...FILE, mode: 0o755 }, 'lib/ld.so': FILE },
};

test('an inventory is read as it was written', () => {
  assert.equal(parseInventory(formatInventory(INVENTORY)), INVENTORY);
});

for (const [why, text, code] of [
  ['half of it', formatInventory(INVENTORY).slice(0, 100), 'INVALID_JSON'],
  ['nothing', '', 'INVALID_JSON'],
  ['an array', '[]', 'INVALID_CONFIG'],
  ['no shim', '{"version": "1", "runtime": {}}', 'INVALID_CONFIG'],
  [
    'an invalid mode',
    JSON.stringify({ ...INVENTORY, runtime: { node: { sha256: '', mode: 4095 } } }),
    'INVALID_CONFIG',
  ],
] as const) {
  test(`${why} is rejected`, async () => assert.is((await caught(() => parseInventory(text))).code, code));
}

test('differences name changed content and permissions, missing files and additional ones', () => {
  const { runtime } = INVENTORY;
  assert.equal(differencesOf(runtime, { ...runtime }), []);
  const other = { node: FILE, 'lib/ld.so': { ...FILE, sha256: 'bb' }, more: FILE };
  assert.equal(differencesOf(runtime, other), ['lib/ld.so', 'more', 'node']);
  assert.equal(differencesOf(runtime, {}), ['lib/ld.so', 'node']);
  const strange = JSON.parse(`{"__proto__": ${JSON.stringify(FILE)}}`);
  assert.equal(differencesOf({}, strange), ['__proto__']);
});

test('a missing file is not the same as an existing one', () => assert.not(isSame(FILE, undefined)));

test('a version is never mistaken for an unfinished installation or the link', () => {
  const [version, workshop] = [versionDirectory('1.2.3', 'abcd'), stagingName('abcd')];
  assert.equal(
    [version, workshop].map((name) => [VERSION_DIRECTORY.test(name), STAGING.test(name)]),
    [
      [true, false],
      [false, true],
    ],
  );
  for (const name of ['.tapwire', 'tapwire', '.tapwire-a/b', 'x.tapwire-1'])
    assert.not(VERSION_DIRECTORY.test(name), name);
});

test.run();
