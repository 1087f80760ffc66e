import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isSameForm, requireVersion, SUPPORTED_VERSIONS } from '../../../../cni/request/version.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('requireVersion()');

for (const version of SUPPORTED_VERSIONS) {
  test(`[${version}] ADD and DEL are accepted`, () => {
    assert.equal([requireVersion(version, 'ADD'), requireVersion(version, 'DEL')], [version, version]);
  });
}

const supports = 'plugin supports ["0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]';
for (const [version, command, code, message, details] of [
  ['0.2.0', 'ADD', 'INCOMPATIBLE_VERSION', 'incompatible CNI versions', `config is "0.2.0", ${supports}`],
  ['1.0', 'ADD', 'INCOMPATIBLE_VERSION', 'incompatible CNI versions', `config is "1.0", ${supports}`],
  ['garbage', 'ADD', 'INCOMPATIBLE_VERSION', 'incompatible CNI versions', `config is "garbage", ${supports}`],
  ['1.0.1', 'CHECK', 'INCOMPATIBLE_VERSION', 'incompatible CNI versions', `config is "1.0.1", ${supports}`],
  [
    '0.3.1',
    'CHECK',
    'INCOMPATIBLE_VERSION',
    'config version does not allow CHECK',
    'CHECK is there since 0.4.0, the configuration says "0.3.1"',
  ],
  [
    '1.0.0',
    'GC',
    'INCOMPATIBLE_VERSION',
    'config version does not allow GC',
    'GC is there since 1.1.0, the configuration says "1.0.0"',
  ],
  [
    '1.0.0',
    'STATUS',
    'INCOMPATIBLE_VERSION',
    'config version does not allow STATUS',
    'STATUS is there since 1.1.0, the configuration says "1.0.0"',
  ],
  ['1.2', 'GC', 'INCOMPATIBLE_VERSION', 'plugin version does not allow GC', 'the configuration says "1.2"'],
  [
    '10.0.0',
    'CHECK',
    'INCOMPATIBLE_VERSION',
    'plugin version does not allow CHECK',
    'the configuration says "10.0.0"',
  ],
  ['garbage', 'CHECK', 'INVALID_JSON', 'Cannot read $.cniVersion: want a version, got "garbage"', undefined],
  ['1.0.0.0', 'STATUS', 'INVALID_JSON', 'Cannot read $.cniVersion: want a version, got "1.0.0.0"', undefined],
] as const) {
  test(`${command} with "${version}" is rejected: ${message}`, async () => {
    const error = await caught(() => requireVersion(version, command));
    assert.equal([error.code, error.message, error.details], [code, message, details]);
  });
}

test('isSameForm() separates the versions at 1.0', () => {
  assert.equal(
    [isSameForm('0.3.0', '0.4.0'), isSameForm('1.0.0', '1.1.0'), isSameForm('0.4.0', '1.0.0')],
    [true, true, false],
  );
});

test.run();
