import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { attribute, u32, type Words } from '../../../../shared/netlink/attribute.ts';
import {
  addressAddition,
  allAddresses,
  formatAddress,
  type NewAddress,
  parseAddress,
} from '../../../../shared/rtnetlink/address.ts';
import { toBytes } from '../../../helpers/pod/filter-bytes.ts';

const test = suite('addresses by rtnetlink');

for (const [text, hex] of [
  ['0.0.0.0', '00000000'],
  ['169.254.75.10', 'a9fe4b0a'],
  ['255.255.255.255', 'ffffffff'],
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['fe80::', 'fe800000000000000000000000000000'],
  ['fe80::75:10', 'fe800000000000000000000000750010'],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ['1:0:0:2::3', '00010000000000020000000000000003'],
  ['::ffff:102:304', '00000000000000000000ffff01020304'],
] as const) {
  test(`parseAddress() reads what formatAddress() writes: ${text}`, () => {
    assert.is(parseAddress(text).toString('hex'), hex);
    assert.is(formatAddress(Buffer.from(hex, 'hex')), text);
  });
}

for (const [text, canonical] of [
  ['FE80:0::000A', 'fe80::a'],
  ['::ffff:1.2.3.4', '::ffff:102:304'],
  ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
] as const) {
  test(`parseAddress() reads other forms: ${text}`, () =>
    assert.is(formatAddress(parseAddress(text)), canonical));
}

const IPV4: NewAddress = {
  ...{ family: 'inet', local: '169.254.75.10', prefixLength: 32 },
  ...{ scope: 'link', nodad: false },
};
const IPV6: NewAddress = {
  ...{ family: 'inet6', local: 'fe80::75:10', prefixLength: 64 },
  ...{ scope: 'link', nodad: true },
};

for (const [why, address, want] of [
  ['IPv4', IPV4, ['022000fd03000000', '08000200a9fe4b0a', '08000100a9fe4b0a', '0800080080000000']],
  [
    'IPv6 without a search for duplicates',
    IPV6,
    [
      '0a4000fd03000000', // ifaddrmsg
      '14000200fe800000000000000000000000750010', // IFA_LOCAL
      '14000100fe800000000000000000000000750010', // IFA_ADDRESS
      '0800080082000000', // IFA_FLAGS: permanent, nodad
    ],
  ],
  [
    'a global address',
    { ...IPV4, local: '10.0.0.5', prefixLength: 8, scope: 'global' },
    ['0208000003000000', '080002000a000005', '080001000a000005', '0800080080000000'],
  ],
] as const satisfies readonly (readonly [string, NewAddress, readonly string[]])[]) {
  test(`addressAddition() encodes ${why}, and is not refused if it exists`, () => {
    const { type, flags, body } = addressAddition(3, address);
    assert.equal([type, flags], [20, 0x500]); // RTM_NEWADDR; create, replace
    assert.is(toBytes(body).toString('hex'), want.join(''));
  });
}

const [TENTATIVE, PERMANENT] = [0x40, 0x80];

/** Decodes an address of a dump. @param head flags in the eight bits of the message itself */
function read(family: number, head: number, ...attributes: readonly Words[]) {
  const body = toBytes([(family | (64 << 8) | (head << 16) | (253 << 24)) >>> 0, 3, ...attributes.flat()]);
  return allAddresses.decode([{ type: 20, flags: 0, seq: 1, body }]);
}
const LOCAL = attribute(1, parseAddress('fe80::1'));
const FOUND = {
  ...{ ifindex: 3, family: 'inet6', local: 'fe80::1', prefixLength: 64, scope: 'link' },
} as const;

test('allAddresses reads the flags of an address, from the attribute if there is one', () => {
  const flags = (isTentative: boolean, isPermanent: boolean) => [{ ...FOUND, isTentative, isPermanent }];
  assert.equal(read(10, TENTATIVE, LOCAL), flags(true, false));
  assert.equal(read(10, 0, LOCAL), flags(false, false));
  assert.equal(read(10, PERMANENT, LOCAL), flags(false, true));
  assert.equal(read(10, 0, LOCAL, u32(8, TENTATIVE | 0x800)), flags(true, false));
  assert.equal(read(10, TENTATIVE, LOCAL, u32(8, PERMANENT)), flags(false, true));
});

test('allAddresses ignores families other than IPv4 and IPv6', () => assert.equal(read(28, 0, LOCAL), []));

test.run();
