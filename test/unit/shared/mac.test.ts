import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { canonicalMac, unicastMac } from '../../../shared/mac.ts';
import { caught } from '../../helpers/caught.ts';

const test = suite('canonicalMac()');

/** Cases of Go's net.TestParseMAC with 6 or 8 octets, and similar ones. */
for (const text of [
  '02:00:00:00:00:ab',
  '02-00-00-00-00-ab',
  '0200.0000.00ab',
  '02:00:00:00:00:AB',
  '02-00-00-00-00-AB',
  '0200.0000.00aB',
]) {
  test(`reads ${text}`, () => {
    assert.is(canonicalMac(text), '02:00:00:00:00:ab');
    assert.is(unicastMac(text, '$'), '02:00:00:00:00:ab');
  });
}

for (const text of [
  '',
  '02',
  '02000000000a',
  '02:00:00:00:00',
  '02:00:00:00:00:00:01',
  '02:00-00:00-00:01',
  '02-00:00:00:00:01',
  '0200:0000:0001',
  '0200-0000-0001',
  '02.00.00.00.00.01',
  '0200.0000.0001.0002',
  '020000.000001',
  '2:0:0:0:0:1',
  '02:00:00:00:00:0g',
  '02:00:00:00:00:01:',
  ':02:00:00:00:00:1',
  '02:00:00:00:00:01\n',
  ' 2:00:00:00:00:01',
  '02:00:00:00:00:01 ',
  '02::00:00:00:01',
  '02:00:5e:10:00:00:00:01',
  'ab'.repeat(500_000),
]) {
  test(`returns null for ${JSON.stringify(text.slice(0, 40))}`, () => {
    assert.is(canonicalMac(text), null);
  });
}

test('reads the eight octets of an InfiniBand GUID', () => {
  for (const text of ['00:11:22:33:44:55:66:7F', '00-11-22-33-44-55-66-7f', '0011.2233.4455.667f']) {
    assert.is(canonicalMac(text, 8), '00:11:22:33:44:55:66:7f');
    assert.is(canonicalMac(text), null);
  }
  assert.is(canonicalMac('02:00:00:00:00:01', 8), null);
});

for (const [why, value] of [
  ['multicast', '01-00-5e-00-00-01'],
  ['broadcast', 'FFFF.FFFF.FFFF'],
  ['all zero', '0000.0000.0000'],
  ['other text', 'x'],
] as const) {
  test(`unicastMac() rejects ${why}`, async () => {
    const error = await caught(() => unicastMac(value, '$.mac'));
    const want = 'want a unicast MAC address such as "02:00:00:00:00:01"';
    assert.equal(
      [error.code, error.message],
      ['INVALID_CONFIG', `Cannot read $.mac: ${want}, got "${value}"`],
    );
  });
}

test.run();
