import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeRequest, encodeReply, type Request } from '../../../../../sidecar/services/dhcp4/message.ts';
import { type GuestMessage, guestMessage } from '../../../../helpers/sidecar/dhcp4.ts';

const test = suite('message');

function decoded(message: GuestMessage): Request {
  const request = decodeRequest(guestMessage(message));
  if (typeof request === 'string') throw new Error(request);
  return request;
}

test('decodeRequest() reads all that a client may say', () => {
  const request = decoded({
    type: 3,
    ciaddr: [10, 50, 0, 7],
    options: [
      [50, '0a320008'],
      [54, 'a9fe4b0a'],
      [55, '0103'],
      [55, '06'],
      [57, '05dc'],
      [60, Buffer.from('PXEClient').toString('hex')],
      [61, '01020000000001'],
      [80, ''],
    ],
  });
  const { header, clientId, ...rest } = request;
  assert.is(header.length, 240);
  assert.is(clientId?.toString('hex'), '01020000000001');
  assert.equal(rest, {
    type: 3,
    clientAddress: '10.50.0.7',
    requestedAddress: '10.50.0.8',
    server: '169.254.75.10',
    parameters: [1, 3, 6],
    maxPacket: 1500,
    vendorClass: 'PXEClient',
    isRapid: true,
  });
});

test('decodeRequest() has null for all that a client does not say', () => {
  const { header, ...rest } = decoded({ type: 1 });
  assert.is(header.length, 240);
  assert.equal(rest, {
    type: 1,
    clientAddress: null,
    requestedAddress: null,
    server: null,
    parameters: null,
    maxPacket: null,
    vendorClass: '',
    clientId: null,
    isRapid: false,
  });
});

for (const [name, message, reason] of [
  ['a reply', { type: 1, patch: [[0, '02']] }, 'it is not a request'],
  ['a link other than an Ethernet', { type: 1, patch: [[1, '20']] }, 'it is not from an Ethernet link'],
  ['a hardware address of eight bytes', { type: 1, patch: [[2, '08']] }, 'it is not from an Ethernet link'],
  ['the address of a relay', { type: 1, patch: [[27, '01']] }, 'it passed a relay'],
  ['another cookie', { type: 1, patch: [[239, '64']] }, 'it does not have the cookie of DHCP'],
  ['no end of the options', { type: 1, patch: [[243, '00']] }, 'its options are cut off'],
  ['options in other fields', { type: 1, options: [[52, '01']] }, 'it has options outside of their field'],
  ['no type', { type: null, options: [[55, '01']] }, 'it is a message of BOOTP'],
  ['two types', { type: 1, options: [[53, '03']] }, 'an option in it has a wrong length'],
  ['half a requested address', { type: 1, options: [[50, '0a32']] }, 'an option in it has a wrong length'],
  ['half a server', { type: 3, options: [[54, 'a9fe']] }, 'an option in it has a wrong length'],
  ['a size of one byte', { type: 1, options: [[57, '05']] }, 'an option in it has a wrong length'],
  ['a value for rapid commit', { type: 1, options: [[80, '01']] }, 'an option in it has a wrong length'],
  [
    'a client identifier in two parts',
    {
      type: 1,
      options: [
        [61, 'aa'.repeat(255)],
        [61, 'aa'],
      ],
    },
    'its client identifier is too long',
  ],
] as const satisfies readonly (readonly [string, GuestMessage, string])[]) {
  test(`decodeRequest() rejects a message with ${name}`, () => {
    assert.is(decodeRequest(guestMessage(message)), reason);
  });
}

test('decodeRequest() rejects a message that is cut off at any byte', () => {
  const whole = guestMessage({ type: 1, options: [[55, '010306']] });
  for (let length = 0; length < whole.length; length++) {
    const reason = decodeRequest(whole.subarray(0, length));
    assert.is(reason, length < 240 ? 'it is cut off' : 'its options are cut off', `${length} bytes`);
  }
});

test('decodeRequest() accepts the longest client identifier', () => {
  assert.is(decoded({ type: 1, options: [[61, 'aa'.repeat(255)]] }).clientId?.length, 255);
});

/** Fields of a request that a reply must not repeat. */
const NOT_REPEATED: GuestMessage['patch'] = [
  [3, '01'],
  [8, '0101'],
  [12, 'ff'.repeat(12)],
  [44, 'ff'.repeat(192)],
];

test('encodeReply() writes each field, and pads the reply to 300 bytes', () => {
  const reply = encodeReply(decoded({ type: 3, patch: NOT_REPEATED }), {
    clientAddress: '10.50.0.6',
    assigned: '10.50.0.7',
    bootServer: '10.50.0.8',
    bootFile: Buffer.from('pxelinux.0'),
    options: new Map([[53, Buffer.from([5])]]),
  });
  const start = [
    '02010600', // reply, Ethernet, 6 bytes, no hops
    '12345678', // transaction
    '00008000', // no seconds, flags
    '0a320006', // ciaddr
    '0a320007', // yiaddr
    '0a320008', // siaddr
    '00000000', // giaddr
    '02000000000100000000000000000000', // chaddr
    '00'.repeat(64), // sname
    Buffer.from('pxelinux.0').toString('hex').padEnd(256, '0'), // file
    '63825363', // cookie
    '350105ff',
  ].join('');
  assert.is(reply.toString('hex'), start.padEnd(600, '0'));
});

test('encodeReply() has zeros for addresses that it does not have', () => {
  const reply = encodeReply(decoded({ type: 3, ciaddr: [10, 50, 0, 9] }), {
    clientAddress: null,
    assigned: null,
    bootServer: null,
    bootFile: Buffer.alloc(0),
    options: new Map(),
  });
  assert.is(reply.toString('hex', 12, 28), '00'.repeat(16));
});

test('encodeReply() is as long as its options need', () => {
  const reply = encodeReply(decoded({ type: 3 }), {
    clientAddress: null,
    assigned: null,
    bootServer: null,
    bootFile: Buffer.alloc(0),
    options: new Map([[119, Buffer.alloc(300, 1)]]),
  });
  assert.is(reply.length, 240 + 300 + 4 + 1);
  assert.is(reply.at(-1), 255);
});

test.run();
