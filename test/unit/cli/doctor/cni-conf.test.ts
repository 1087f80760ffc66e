import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  byName,
  isConfName,
  isRenamedName,
  originalName,
  parseConf,
} from '../../../../cli/doctor/cni-conf.ts';

const test = suite('parseConf()');

const parse = (name: string, conf: unknown) => parseConf(name, JSON.stringify(conf));
const MULTUS = { binDirectory: null };

for (const [why, name, conf, want] of [
  ['a thin Multus', '00.conf', { type: 'multus', delegates: [{ type: 'calico' }] }, MULTUS],
  ['a thick Multus', '00.conf', { type: 'multus-shim' }, MULTUS],
  [
    'Multus in a list',
    '00.conflist',
    { name: 'n', plugins: [{ type: 'multus-shim' }, { type: 'x' }] },
    MULTUS,
  ],
  ['Multus in a .json file', '00.json', { type: 'multus' }, MULTUS],
  ["Multus' own directory of plugins", '00.conf', { type: 'multus', binDir: '/b' }, { binDirectory: '/b' }],
  ['another plugin', '10.conf', { type: 'bridge' }, null],
  ['a list of others', '10.conflist', { name: 'n', plugins: [{ type: 'bridge' }] }, null],
] as const) {
  test(`${why} is usable, and ${want === null ? 'does not call' : 'calls'} Multus`, () =>
    assert.equal(parse(name, conf), { name, problem: null, multus: want, hasTapwire: false }));
}

for (const [why, name, conf] of [
  ['a plugin', '10.conf', { type: 'tapwire' }],
  ['a plugin of a list', '10.conflist', { name: 'n', plugins: [{ type: 'bridge' }, { type: 'tapwire' }] }],
  ['a delegate of Multus', '00.conf', { type: 'multus', delegates: [{ type: 'tapwire' }] }],
  [
    'a plugin of a delegate',
    '00.conf',
    { type: 'multus', delegates: [{ plugins: [{ type: 'bridge' }, { type: 'tapwire' }] }] },
  ],
] as const) {
  test(`finds Tapwire as ${why}`, () => assert.ok(parse(name, conf).hasTapwire));
}

for (const [why, name, text, problem] of [
  ['bytes that are not text', '10.conf', '', /^it is not JSON: /],
  ['an incomplete text', '10.conf', '{"type":', /^it is not JSON: /],
  ['a byte order mark', '10.conf', '\ufeff{"type": "bridge"}', /^it is not JSON: /],
  ['an array', '10.conf', '[]', /^it is not a JSON object$/],
  ['null', '10.conflist', 'null', /^it is not a JSON object$/],
  ['no type', '10.conf', '{}', /^it has no "type"$/],
  [
    'a list in a .conf',
    '10.conf',
    '{"name": "n", "plugins": [{"type": "x"}]}',
    /only files named \*.conflist can be lists$/,
  ],
  ['a plugin in a .conflist', '10.conflist', '{"name": "n", "type": "x"}', /^the list has no "plugins"$/],
  ['an empty list', '10.conflist', '{"name": "n", "plugins": []}', /^the list has no "plugins"$/],
  ['a list without a name', '10.conflist', '{"plugins": [{"type": "x"}]}', /^the list has no "name"$/],
  [
    'a list with a plugin without a type',
    '10.conflist',
    '{"name": "n", "plugins": [{}]}',
    /^a plugin of the list has/,
  ],
] as const) {
  test(`rejects ${why}: ${problem.source}`, () => assert.match(parseConf(name, text).problem ?? '', problem));
}

test('isConfName() accepts three extensions, in lower case', () => {
  const names = ['a.conf', 'a.conflist', 'a.json', '.conf', 'a.conf.cilium_bak', 'a.CONF', 'a.conf~', 'conf'];
  assert.equal(names.filter(isConfName), ['a.conf', 'a.conflist', 'a.json', '.conf']);
});

test('originalName() returns the name before Cilium renamed the file', () => {
  assert.ok(isRenamedName('00-multus.conf.cilium_bak'));
  assert.not.ok(isRenamedName('00-multus.conf'));
  assert.is(originalName('00-multus.conf.cilium_bak'), '00-multus.conf');
});

test('byName() sorts by bytes', () => {
  const names = [
    '\u{1f600}.conf',
    '\uff5e.conf',
    'a.conf',
    'B.conf',
    '10.conf',
    '9.conf',
    '00.conflist',
    '00.conf',
  ];
  assert.equal(names.toSorted(byName), [
    '00.conf',
    '00.conflist',
    '10.conf',
    '9.conf',
    'B.conf',
    'a.conf',
    '\uff5e.conf',
    '\u{1f600}.conf',
  ]);
});

test.run();
