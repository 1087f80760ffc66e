import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ipv6Bytes, neighbourResolution } from '../../../../shared/rtnetlink/neighbour-resolution.ts';

const test = suite('neighbourResolution()');

test('asks for the MAC of an address on a link', () => {
  assert.equal(neighbourResolution(7, 'fd00:60::1'), {
    type: 28,
    flags: 0x400,
    body: [10, 7, 0x10000, 0x10014, 0x600000fd, 0, 0, 0x01000000],
  });
});

for (const [address, bytes] of [
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['fe80::', 'fe800000000000000000000000000000'],
  ['FD00:60::A:1', 'fd0000600000000000000000000a0001'],
  ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
  ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
  ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
] as const) {
  test(`ipv6Bytes() encodes ${address}`, () => assert.is(ipv6Bytes(address).toString('hex'), bytes));
}

test.run();
