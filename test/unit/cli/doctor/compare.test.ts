import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compare, type FoundEntry } from '../../../../cli/doctor/compare.ts';

const test = suite('compare()');

const WANTED = {
  node: { sha256: 'n', mode: 0o755 },
  'lib/ld.so': { sha256: 'l', mode: 0o755 },
  'index.js': { sha256: 'i', mode: 0o644 },
};
const file = (path: string, sha256: string | null, mode: number): FoundEntry => ({
  path,
  kind: 'file',
  uid: 0,
  mode,
  sha256,
});
const directory = (path: string): FoundEntry => ({ ...file(path, null, 0o755), kind: 'directory' });
const NODE = file('node', 'n', 0o755);
const LD = file('lib/ld.so', 'l', 0o755);
const INDEX = file('index.js', 'i', 0o644);
const BESIDE = [directory('.'), directory('lib'), file('inventory.json', null, 0o644)];
const WHOLE = { missing: [], changed: [], foreign: [], writable: [] };

for (const [why, found, want] of [
  ['as installed', [NODE, LD, INDEX], {}],
  ['a file is missing', [NODE, INDEX], { missing: ['lib/ld.so'] }],
  ['all files are missing', [], { missing: ['index.js', 'lib/ld.so', 'node'] }],
  ['other content', [NODE, LD, { ...INDEX, sha256: 'x' }], { changed: ['index.js'] }],
  ['other permissions', [NODE, LD, { ...INDEX, mode: 0o755 }], { changed: ['index.js'] }],
  ['set-user-ID', [{ ...NODE, mode: 0o4755 }, LD, INDEX], { changed: ['node'] }],
  ['a link', [NODE, LD, { ...INDEX, kind: 'other', sha256: null, mode: 0o777 }], { changed: ['index.js'] }],
  ['a foreign file', [NODE, LD, INDEX, file('lib/x.so', null, 0o644)], { foreign: ['lib/x.so'] }],
  ['a foreign directory', [NODE, LD, INDEX, directory('x')], { foreign: ['x'] }],
  [
    'a foreign inventory',
    [NODE, LD, INDEX, file('lib/inventory.json', null, 0o644)],
    { foreign: ['lib/inventory.json'] },
  ],
  [
    'writable by other users',
    [NODE, LD, { ...INDEX, mode: 0o664 }],
    { changed: ['index.js'], writable: ['index.js'] },
  ],
  ["another user's", [{ ...NODE, uid: 107 }, LD, INDEX], { writable: ['node'] }],
  [
    'a directory that other users can write to',
    [NODE, LD, INDEX, { ...directory('lib'), mode: 0o777 }],
    { writable: ['lib'] },
  ],
] as readonly (readonly [string, readonly FoundEntry[], object])[]) {
  test(`${why} is reported: ${JSON.stringify(want)}`, () =>
    assert.equal(
      compare(WANTED, [...BESIDE.filter(({ path }) => found.every((one) => one.path !== path)), ...found]),
      {
        ...WHOLE,
        ...want,
      },
    ));
}

test.run();
