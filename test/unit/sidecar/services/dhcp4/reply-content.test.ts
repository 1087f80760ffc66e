import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeRequest, type Request } from '../../../../../sidecar/services/dhcp4/message.ts';
import { configuration, lease, refusal } from '../../../../../sidecar/services/dhcp4/reply-content.ts';
import { type GuestNetwork, NO_DHCP_OPTIONS } from '../../../../../sidecar/services/guest-network.ts';

import {
  GUEST_NETWORK,
  type GuestMessage,
  guestMessage,
  SERVER_HEX,
} from '../../../../helpers/sidecar/dhcp4.ts';

const test = suite('reply content');

type Options = GuestMessage['options'];

function request(type: number, options: Options = [], ciaddr: readonly number[] = []): Request {
  const decoded = decodeRequest(guestMessage({ type, options, ciaddr }));
  if (typeof decoded === 'string') throw new Error(decoded);
  return decoded;
}

const { ipv4 } = GUEST_NETWORK;
if (ipv4 === null) throw new Error('The network of the tests has IPv4');

const offered = (options: Options = [], network: Partial<GuestNetwork> = {}) =>
  lease(request(1, options), { ...GUEST_NETWORK, ...network }, ipv4, 2);

const codesOf = ({ options }: { readonly options: ReadonlyMap<number, Buffer> }) => [...options.keys()];

const hexOf = ({ options }: { readonly options: ReadonlyMap<number, Buffer> }, code: number) =>
  options.get(code)?.toString('hex');

const LEASE = [53, 54, 51, 58, 59];
const UNASKED = [1, 3, 6, 26, 121, 15, 12];
const BOOT = { tftpServerName: '10.0.0.9', bootFileName: 'pxelinux.0' };
const booting = { options: { ...NO_DHCP_OPTIONS, ...BOOT } };
const PXE = [60, Buffer.from('PXEClient:Arch:00007').toString('hex')] as const;

test('lease() has the type, the server and the times of the lease', () => {
  const content = offered();
  assert.is(hexOf(content, 53), '02');
  assert.is(hexOf(content, 54), SERVER_HEX);
  assert.is(content.options.get(51)?.readUInt32BE(), 3600);
  assert.is(content.options.get(58)?.readUInt32BE(), 1800);
  assert.is(content.options.get(59)?.readUInt32BE(), 3150);
  assert.is(content.assigned, '10.50.0.7');
});

test('lease() has ciaddr in an ACK, but not in an OFFER', () => {
  const renewal = request(3, [], [10, 50, 0, 7]);
  assert.is(lease(renewal, GUEST_NETWORK, ipv4, 5).clientAddress, '10.50.0.7');
  assert.is(lease(renewal, GUEST_NETWORK, ipv4, 2).clientAddress, null);
});

test('lease() has rapid commit only in an ACK to DISCOVER', () => {
  assert.is(hexOf(lease(request(1, [[80, '']]), GUEST_NETWORK, ipv4, 5), 80), '');
  assert.is(hexOf(lease(request(1), GUEST_NETWORK, ipv4, 2), 80), undefined);
  assert.is(hexOf(lease(request(3), GUEST_NETWORK, ipv4, 5), 80), undefined);
});

test('each reply has the identifier of the client', () => {
  const id: Options = [[61, 'ff00000001']];
  for (const content of [
    offered(id),
    refusal(request(3, id)),
    configuration(request(8, id), GUEST_NETWORK, ipv4),
  ]) {
    assert.is(hexOf(content, 61), 'ff00000001');
  }
});

test('refusal() has only the type, the server and the identifier of the client', () => {
  const { options, ...rest } = refusal(request(3, [[61, '0102']], [10, 50, 0, 9]));
  assert.equal([...options.keys()], [53, 54, 61]);
  assert.is(hexOf({ options }, 53), '06');
  assert.equal(rest, { clientAddress: null, assigned: null, bootServer: null, bootFile: Buffer.alloc(0) });
});

test('configuration() has no address to assign, and no times of a lease', () => {
  const content = configuration(request(8, [[55, '0133']], [10, 50, 0, 7]), GUEST_NETWORK, ipv4);
  assert.is(content.assigned, null);
  assert.is(content.clientAddress, '10.50.0.7');
  assert.is(hexOf(content, 53), '05');
  assert.equal(codesOf(content), [53, 54, ...UNASKED]);
});

test('lease() has these options unasked, of which udhcpc needs the routes', () => {
  assert.equal(codesOf(offered([[55, '01']])), [...LEASE, ...UNASKED]);
});

test('lease() has further options in the order in which the client asks, each once', () => {
  assert.equal(codesOf(offered([[55, 'f9010377771c99']])), [...LEASE, ...UNASKED, 249, 119, 28]);
});

test('lease() has all options for a client without a list', () => {
  assert.equal(codesOf(offered()), [...LEASE, ...UNASKED, 119, 249, 28]);
});

test('lease() has private options unasked, as the last ones', () => {
  const privateOptions = [
    { option: 240, value: 'private.options.kubevirt.io' },
    { option: 249, value: 'own' },
  ];
  const options = { ...NO_DHCP_OPTIONS, privateOptions };
  assert.equal(codesOf(offered([[55, '1c']], { options })), [...LEASE, ...UNASKED, 28, 240]);
});

test('lease() has options 42, 66 and 67 only for a client that asks for them', () => {
  const network = { options: { ...NO_DHCP_OPTIONS, ...BOOT, ntpServers: ['10.0.0.3'] } };
  assert.equal(codesOf(offered([[55, '01']], network)), [...LEASE, ...UNASKED]);
  assert.equal(codesOf(offered([[55, '43422a']], network)), [...LEASE, ...UNASKED, 67, 66, 42]);
});

for (const [name, options] of [
  ['asks for the boot file', [[55, '0143']]],
  ['asks for the TFTP server', [[55, '0142']]],
  ['is firmware that does not ask for them', [[55, '0103'], PXE]],
  ['is firmware without a list', [PXE]],
] as const satisfies readonly (readonly [string, Options])[]) {
  test(`lease() has the boot server and file as fields for a client that ${name}`, () => {
    const content = offered(options, booting);
    assert.is(content.bootServer, '10.0.0.9');
    assert.is(content.bootFile.toString(), 'pxelinux.0');
  });
}

for (const [name, options] of [
  ['has a list without them', [[55, '0103']]],
  ['has no list', []],
  ['is of another class', [[60, Buffer.from('MSFT 5.0').toString('hex')]]],
] as const satisfies readonly (readonly [string, Options])[]) {
  test(`lease() has no boot server and file as fields for a client that ${name}`, () => {
    const content = offered(options, booting);
    assert.is(content.bootServer, null);
    assert.is(content.bootFile.length, 0);
  });
}

test('lease() has the name of a TFTP server only as an option, not as a field', () => {
  const options = { ...NO_DHCP_OPTIONS, tftpServerName: 'tftp.example', bootFileName: 'a' };
  const content = offered([[55, '42']], { options });
  assert.is(content.bootServer, null);
  assert.is(content.bootFile.toString(), 'a');
  assert.is(content.options.get(66)?.toString(), 'tftp.example');
});

test('lease() has the name of a boot file as a field if the end of the text fits as well', () => {
  const file = (length: number) =>
    offered([PXE], { options: { ...NO_DHCP_OPTIONS, bootFileName: 'x'.repeat(length) } }).bootFile.length;
  assert.is(file(127), 127);
  assert.is(file(128), 0);
});

/** A list of which only a part has space in the least message. */
const LONG = { searchDomains: Array.from({ length: 20 }, (_, i) => `namespace-of-vms-${i}.example`) };
const ASKS = [55, '771c'] as const;
const sizeOf = (content: ReturnType<typeof offered>) =>
  [...content.options.values()].reduce((sum, { length }) => sum + length + 2 * Math.ceil(length / 255), 241);

for (const [name, options, network, has] of [
  ['that does not say what it accepts', [ASKS], {}, false],
  ['that accepts 576 bytes, as udhcpc does', [ASKS, [57, '0240']], {}, false],
  ['that claims to accept less than the minimum', [ASKS, [57, '0001']], {}, false],
  ['that accepts 1500 bytes', [ASKS, [57, '05dc']], {}, true],
  ['that accepts more than a link carries', [ASKS, [57, 'ffff']], { mtu: 600 }, false],
  ['that accepts more than an Ethernet carries', [ASKS, [57, 'ffff']], { mtu: 9000 }, true],
  ['on a link with an MTU below the minimum', [ASKS], { mtu: 500 }, false],
] as const satisfies readonly (readonly [string, Options, Partial<GuestNetwork>, boolean])[]) {
  test(`lease() ${has ? 'has' : 'leaves out'} a long list, and has the rest, for a client ${name}`, () => {
    const content = offered(options, { ...LONG, ...network });
    assert.equal(codesOf(content), [...LEASE, ...UNASKED, ...(has ? [119] : []), 28]);
  });
}

for (const [name, options, mtu, limit] of [
  ['548 bytes', [], 1450, 548],
  ['548 bytes on a link with a low MTU', [], 300, 548],
  ['548 bytes for a client with a low limit', [[57, '0020']], 1450, 548],
  ['what the client accepts', [[57, '0320']], 1450, 800 - 28],
  ['what the link carries', [[57, 'ffff']], 1400, 1400 - 28],
  ['1472 bytes', [[57, 'ffff']], 65_535, 1472],
] as const satisfies readonly (readonly [string, Options, number, number])[]) {
  test(`lease() fills a message up to ${name}, and not beyond`, () => {
    const sizes = Array.from({ length: 1300 }, (_, length) => {
      const privateOptions = [{ option: 230, value: 'x'.repeat(length) }];
      return sizeOf(offered(options, { mtu, options: { ...NO_DHCP_OPTIONS, privateOptions } }));
    });
    assert.is(Math.max(...sizes), limit);
  });
}

test('lease() has the more important options if there is no space for all', () => {
  const content = offered(
    [
      [55, '77'],
      [61, 'aa'.repeat(250)],
    ],
    { hostname: 'vm-with-a-longer-name' },
  );
  assert.equal(codesOf(content), [53, 54, 61, 51, 58, 59, 1, 3, 6, 26]);
});

test.run();
