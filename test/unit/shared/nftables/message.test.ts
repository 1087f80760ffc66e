import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeRequests } from '../../../../shared/netlink/message.ts';
import {
  batch,
  be32,
  familyOf,
  isForNftables,
  nftablesRequest,
} from '../../../../shared/nftables/message.ts';

const test = suite('messages of nftables');

const hexOf = (words: Iterable<number>): string =>
  Buffer.from(Uint32Array.from(words).buffer).toString('hex');

test('nftablesRequest() writes subsystem, message, family and attributes', () => {
  const request = nftablesRequest(6, 0xc00, 'arp', be32(5, 1));
  assert.is(hexOf(encodeRequests([request], 7)), '1c000000060a010c0700000000000000030000000800050000000001');
  assert.equal(nftablesRequest(1, 0x300, null).body, [0]);
});

test('batch() frames requests and requests one acknowledgement, for the last', () => {
  const requests = [nftablesRequest(0, 0x400, 'inet'), nftablesRequest(2, 0, 'inet')];
  // port id; family and version 0, then the subsystem in network order
  const END_OF_FRAME = '000000000000000a';
  assert.is(
    hexOf(encodeRequests(batch(requests), 1)),
    [
      `140000001000010001000000${END_OF_FRAME}`,
      '14000000000a0104020000000000000001000000',
      '14000000020a0500030000000000000001000000',
      `140000001100010004000000${END_OF_FRAME}`,
    ].join(''),
  );
});

test('be32() writes network order, and negative numbers', () => {
  assert.is(hexOf(be32(2, 0x01020304)), '0800020001020304');
  assert.is(hexOf(be32(2, -300)), '08000200fffffed4');
});

test('isForNftables() distinguishes requests from those of rtnetlink', () => {
  assert.ok(isForNftables(nftablesRequest(1, 0, null)));
  assert.not(isForNftables({ type: 18 }));
});

test('familyOf() reads the families that Tapwire writes', () => {
  assert.equal(
    [1, 3, 5, 2, 10].map((family) => familyOf(Buffer.from([family, 0, 0, 0]))),
    ['inet', 'arp', 'netdev', null, null],
  );
});

test.run();
