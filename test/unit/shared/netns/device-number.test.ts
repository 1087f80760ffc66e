import { lstatSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeDeviceNumber,
  isSameNumber,
  splitDeviceNumber,
} from '../../../../shared/netns/device-number.ts';

const test = suite('device numbers');

for (const [text, want] of [
  ['246:5\n', { major: 246, minor: 5 }],
  ['246:0', { major: 246, minor: 0 }],
  ['511:1048575\n', { major: 511, minor: 1048575 }],
  ['', null],
  ['\n', null],
  ['246', null],
  ['246:', null],
  [':5', null],
  ['-1:5', null],
  ['246:5:7', null],
  ['0x1:5', null],
  ['246:5\n246:6\n', null],
] as const) {
  test(`decodeDeviceNumber() reads ${JSON.stringify(text)}`, () =>
    assert.equal(decodeDeviceNumber(text), want));
}

test('splitDeviceNumber() reads what stat(2) returns', () => {
  assert.equal(splitDeviceNumber(lstatSync('/dev/null').rdev), { major: 1, minor: 3 });
  // As makedev(3) puts 246:1048575 together: 12 bits of the minor are above the major.
  assert.equal(splitDeviceNumber((1048575 & 0xff) + 246 * 2 ** 8 + (1048575 >>> 8) * 2 ** 20), {
    major: 246,
    minor: 1048575,
  });
});

test('isSameNumber() compares both parts, and no number is the same as none', () => {
  const one = { major: 246, minor: 5 };
  assert.ok(isSameNumber(one, { ...one }));
  for (const other of [{ ...one, major: 1 }, { ...one, minor: 1 }, null]) {
    assert.not(isSameNumber(one, other));
    assert.not(isSameNumber(other, one));
  }
  assert.not(isSameNumber(null, null));
});

test.run();
