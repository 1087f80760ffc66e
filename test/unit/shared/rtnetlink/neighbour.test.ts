import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { attribute, type Words } from '../../../../shared/netlink/attribute.ts';
import type { Message } from '../../../../shared/netlink/message.ts';
import { parseAddress } from '../../../../shared/rtnetlink/address.ts';
import { neighbourAddition, neighboursOf } from '../../../../shared/rtnetlink/neighbour.ts';
import { toBytes } from '../../../helpers/pod/filter-bytes.ts';

const test = suite('neighbours by rtnetlink');

const MAC = '02:00:00:00:00:0a';

for (const [address, want] of [
  ['10.50.0.7', ['020000000300000080000000', '080001000a320007']],
  ['fd00:50::7', ['0a0000000300000080000000', '14000100fd000050000000000000000000000007']],
] as const) {
  test(`neighbourAddition() encodes ${address} as permanent, and is not refused if it exists`, () => {
    const { type, flags, body } = neighbourAddition(3, address, MAC);
    assert.equal([type, flags], [28, 0x500]); // RTM_NEWNEIGH; create, replace
    assert.is(toBytes(body).toString('hex'), [...want, '0a00020002000000000a0000'].join(''));
  });
}

test('neighboursOf() asks for those of one link', () => {
  const { type, flags, body } = neighboursOf(3).request;
  assert.equal([type, flags], [30, 0x300]); // RTM_GETNEIGH; dump
  assert.is(toBytes(body).toString('hex'), '000000000000000000000000' + '0800080003000000');
});

const message = (family: number, ifindex: number, state: number, ...more: readonly Words[]): Message => ({
  ...{ type: 28, flags: 0, seq: 1 },
  body: toBytes([family, ifindex, state, ...more.flat()]),
});
const destination = (address: string): Words => attribute(1, parseAddress(address));
const MAC_ATTRIBUTE = attribute(2, Buffer.from('02000000000a', 'hex'));

test('neighboursOf() reads addresses, MACs and states, and skips other links and families', () => {
  const replies = [
    message(2, 3, 0x80, destination('10.50.0.7'), MAC_ATTRIBUTE),
    message(2, 4, 0x80, destination('10.50.0.8'), MAC_ATTRIBUTE),
    message(10, 3, 0x20, destination('fe80::1')),
    message(7, 3, 0x80, MAC_ATTRIBUTE), // of a bridge
  ];
  assert.equal(neighboursOf(3).decode(replies), [
    { ifindex: 3, address: '10.50.0.7', mac: MAC, state: 0x80 },
    { ifindex: 3, address: 'fe80::1', mac: null, state: 0x20 },
  ]);
});

test.run();
