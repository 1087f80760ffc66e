import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer, Reply } from '../../../../../sidecar/services/answer.ts';
import {
  ACK,
  answerDhcp4,
  clientOf,
  NAK,
  OFFER,
} from '../../../../../sidecar/services/dhcp4/answer-dhcp4.ts';
import type { GuestNetwork } from '../../../../../sidecar/services/guest-network.ts';
import {
  arbitraryString,
  mutateBytes,
  newRandom,
  type Random,
  runsOf,
  seedOf,
} from '../../../../helpers/fuzz.ts';
import {
  GUEST_NETWORK,
  type GuestMessage,
  guestMessage,
  POD_HEX,
  readReply,
  SERVER_HEX,
} from '../../../../helpers/sidecar/dhcp4.ts';

const test = suite('answerDhcp4()');

const POD = [10, 50, 0, 7];
const FOREIGN_HEX = '0a320008';
const FOREIGN = [10, 50, 0, 8];
const OTHER_SERVER_HEX = 'c0000201';

const answered = (message: GuestMessage): Answer => answerDhcp4(guestMessage(message), GUEST_NETWORK);

function replyTo(message: GuestMessage): Reply {
  const answer = answered(message);
  if (answer.reply === null) throw new Error(answer.reason);
  return answer;
}

const ASSIGNS = { name: ACK, yiaddr: POD_HEX, assigned: ['10.50.0.7'] };
const REFUSES = { name: NAK, yiaddr: '00000000', assigned: null };

for (const [name, message, expected, type, ciaddr] of [
  ['DISCOVER', { type: 1 }, { name: OFFER, yiaddr: POD_HEX, assigned: null }, '02', '00000000'],
  [
    'DISCOVER for another address',
    { type: 1, options: [[50, FOREIGN_HEX]] },
    { name: OFFER, yiaddr: POD_HEX, assigned: null },
    '02',
    '00000000',
  ],
  ['DISCOVER with rapid commit', { type: 1, options: [[80, '']] }, ASSIGNS, '05', '00000000'],
  [
    'REQUEST that selects the offer',
    {
      type: 3,
      options: [
        [54, SERVER_HEX],
        [50, POD_HEX],
      ],
    },
    ASSIGNS,
    '05',
    '00000000',
  ],
  [
    'REQUEST that selects another address',
    {
      type: 3,
      options: [
        [54, SERVER_HEX],
        [50, FOREIGN_HEX],
      ],
    },
    REFUSES,
    '06',
    '00000000',
  ],
  ['REQUEST for the address of before', { type: 3, options: [[50, POD_HEX]] }, ASSIGNS, '05', '00000000'],
  [
    'REQUEST for a wrong address of before',
    { type: 3, options: [[50, FOREIGN_HEX]] },
    REFUSES,
    '06',
    '00000000',
  ],
  ['REQUEST that renews the lease', { type: 3, ciaddr: POD }, ASSIGNS, '05', POD_HEX],
  ['REQUEST that renews a wrong lease', { type: 3, ciaddr: FOREIGN }, REFUSES, '06', '00000000'],
  [
    'REQUEST that names two different addresses',
    { type: 3, ciaddr: FOREIGN, options: [[50, POD_HEX]] },
    REFUSES,
    '06',
    '00000000',
  ],
  ['INFORM', { type: 8, ciaddr: POD }, { name: ACK, yiaddr: '00000000', assigned: null }, '05', POD_HEX],
  [
    'INFORM of a guest with another address',
    { type: 8, ciaddr: FOREIGN },
    { name: ACK, yiaddr: '00000000', assigned: null },
    '05',
    FOREIGN_HEX,
  ],
] as const satisfies readonly (readonly [string, GuestMessage, object, string, string])[]) {
  test(`answers ${name} with ${expected.name}`, () => {
    const { reply, name, assigned } = replyTo(message);
    const read = readReply(reply);
    assert.equal({ name, yiaddr: read.yiaddr, assigned }, expected);
    assert.is(read.options.get(53), type);
    assert.is(read.options.get(54), SERVER_HEX);
    assert.is(read.ciaddr, ciaddr);
    assert.is(read.siaddr, '00000000');
  });
}

test('answers INFORM without the times of a lease', () => {
  const { codes } = readReply(replyTo({ type: 8, ciaddr: POD }).reply);
  assert.equal(
    codes.filter((code) => [51, 58, 59].includes(code)),
    [],
  );
});

test('answers REQUEST of any MAC address, with the address in the reply', () => {
  const { reply } = replyTo({
    type: 3,
    options: [[50, POD_HEX]],
    patch: [[28, '0e0000000009']],
  });
  assert.is(reply.toString('hex', 28, 34), '0e0000000009');
});

test('answers DISCOVER with exactly these bytes', () => {
  const { reply } = replyTo({
    type: 1,
    options: [
      [55, '77'],
      [61, '01020000000001'],
    ],
  });
  const options = [
    '350102', // OFFER
    `3604${SERVER_HEX}`,
    '3d0701020000000001', // client identifier
    '330400000e10', // 3600 s
    '3a0400000708', // 1800 s
    '3b0400000c4e', // 3150 s
    '0104ffffff00',
    '03040a320001',
    '06040a60000a',
    '1a0205aa', // 1450
    '7905000a320001', // default via 10.50.0.1
    `0f15${Buffer.from('vms.svc.cluster.local').toString('hex')}`,
    `0c03${Buffer.from('vm1').toString('hex')}`,
    `771b${Buffer.from('\x03vms\x03svc\x07cluster\x05local\0').toString('hex')}c004c008`,
    'ff',
  ].join('');
  const header = [
    '0201060012345678', // reply, Ethernet, transaction
    '00008000', // flags
    '00000000', // ciaddr
    POD_HEX, // yiaddr
    '0000000000000000', // siaddr, giaddr
    '02000000000100000000000000000000', // chaddr
    '00'.repeat(192), // sname, file
    '63825363',
  ].join('');
  assert.is(reply.toString('hex'), header + options);
});

for (const [name, message, reason, isNormal] of [
  [
    'REQUEST that selects another server',
    {
      type: 3,
      options: [
        [54, OTHER_SERVER_HEX],
        [50, POD_HEX],
      ],
    },
    'it names another server',
    true,
  ],
  ['REQUEST without an address', { type: 3 }, 'it requests no address', false],
  [
    'DECLINE',
    {
      type: 4,
      options: [
        [54, SERVER_HEX],
        [50, POD_HEX],
      ],
    },
    'another host uses the address of the guest',
    false,
  ],
  [
    'DECLINE to another server',
    { type: 4, options: [[54, OTHER_SERVER_HEX]] },
    'it names another server',
    true,
  ],
  ['RELEASE', { type: 7, ciaddr: POD, options: [[54, SERVER_HEX]] }, 'it releases the address', true],
  [
    'RELEASE to another server',
    { type: 7, options: [[54, OTHER_SERVER_HEX]] },
    'it names another server',
    true,
  ],
  ['OFFER', { type: 2 }, 'it is a message of a server', false],
  ['ACK', { type: 5 }, 'it is a message of a server', false],
  ['NAK', { type: 6 }, 'it is a message of a server', false],
  ['a message of type 0', { type: 0 }, 'its type is unknown', false],
  ['LEASEQUERY', { type: 10 }, 'its type is unknown', false],
  ['a message of BOOTP', { type: null }, 'it is a message of BOOTP', false],
] as const satisfies readonly (readonly [string, GuestMessage, string, boolean])[]) {
  test(`does not answer ${name}`, () => {
    assert.equal(answered(message), { reply: null, reason, isNormal });
  });
}

test('does not answer for a pod without an IPv4 address', () => {
  assert.equal(answerDhcp4(guestMessage({ type: 1 }), { ...GUEST_NETWORK, ipv4: null }), {
    reply: null,
    reason: 'there is no IPv4 address for the guest',
    isNormal: false,
  });
});

test('clientOf() returns the address of a client that has one', () => {
  assert.is(clientOf(guestMessage({ type: 3, ciaddr: POD })), '10.50.0.7');
});

test('clientOf() returns null for a client without an address, and for an invalid message', () => {
  assert.is(clientOf(guestMessage({ type: 3 })), null);
  assert.is(clientOf(guestMessage({ type: 3, ciaddr: POD, patch: [[0, '02']] })), null);
  assert.is(clientOf(Buffer.alloc(0)), null);
});

// ---- hostile messages

/** Options that the server reads, with values of any length, and others. */
function arbitraryMessage(random: Random): Buffer {
  const codes = [0, 50, 52, 53, 54, 55, 57, 60, 61, 80, random.below(256)];
  const hex = () => random.bytes(random.pick([0, 1, 2, 4, 4, 7, random.below(256)])).toString('hex');
  const option = () =>
    random.pick([
      [50, random.pick([POD_HEX, FOREIGN_HEX])],
      [54, random.pick([SERVER_HEX, OTHER_SERVER_HEX])],
      [55, random.bytes(random.below(30)).toString('hex')],
      [57, random.bytes(2).toString('hex')],
      [61, hex()],
      [80, ''],
      ...(random.oneIn(4) ? [[random.pick(codes), hex()] as const] : []),
    ] as const);
  return guestMessage({
    type: random.oneIn(8) ? random.pick([null, random.below(256)]) : 1 + random.below(8),
    ciaddr: random.pick([[], POD, FOREIGN]),
    options: Array.from({ length: random.below(6) }, option),
  });
}

function arbitraryBytes(random: Random): Buffer {
  if (random.oneIn(20)) return random.bytes(random.below(600));
  const message = arbitraryMessage(random);
  if (random.oneIn(3)) return message;
  if (random.oneIn(4)) return mutateBytes(random, message);
  // Many of the bytes before the options do not matter.
  return Buffer.concat([message.subarray(0, 240), mutateBytes(random, message.subarray(240))]);
}

/** Whether a message has all that each request has. */
const isRequest = (bytes: Buffer): boolean =>
  bytes.toString('hex', 0, 3) === '010106' &&
  bytes.toString('hex', 24, 28) === '00000000' &&
  bytes.toString('hex', 236, 240) === '63825363' &&
  [1, 3, 8].some((type) => bytes.subarray(240).includes(Buffer.from([53, 1, type]))) &&
  bytes.subarray(240).includes(255);

function checkReply(request: Buffer, { reply, name, assigned }: Reply): void {
  assert.ok(isRequest(request), 'only a request gets a reply');
  assert.ok(reply.length >= 300 && reply.length <= 1472, `a reply of ${reply.length} bytes`);
  assert.is(reply.toString('hex', 0, 4), '02010600');
  assert.equal(reply.subarray(4, 8), request.subarray(4, 8), 'transaction');
  assert.equal(reply.subarray(28, 44), request.subarray(28, 44), 'hardware address');
  const { yiaddr, options } = readReply(reply);
  assert.is(options.get(53), { [OFFER]: '02', [ACK]: '05', [NAK]: '06' }[name]);
  assert.is(options.get(54), SERVER_HEX);
  const isLease = options.has(51);
  assert.is(yiaddr, isLease ? POD_HEX : '00000000');
  assert.equal(assigned, isLease && name === ACK ? ['10.50.0.7'] : null);
}

test('replies to nothing but requests, and always with a valid message', () => {
  const random = newRandom(seedOf(4));
  const runs = runsOf(20_000);
  const outcomes = new Set<string>();
  for (let run = runs; run > 0; run--) {
    const bytes = arbitraryBytes(random);
    const answer = answerDhcp4(bytes, GUEST_NETWORK);
    outcomes.add(answer.reply === null ? answer.reason : answer.name);
    if (answer.reply !== null) checkReply(bytes, answer);
    assert.match(clientOf(bytes) ?? '0.0.0.0', /^(\d{1,3}\.){3}\d{1,3}$/);
  }
  // Three replies, and a reason of each kind: the messages reach all parts of the server.
  if (runs >= 20_000) assert.is(outcomes.size, 19, [...outcomes].join('; '));
});

/** A network whose texts are anything: the owner of a pod writes most of them. */
function arbitraryNetwork(random: Random): GuestNetwork {
  const some = <T>(one: () => T): T[] => Array.from({ length: random.below(12) }, one);
  const text = () => arbitraryString(random);
  const address = () => random.pick(['10.0.0.1', '169.254.1.1', 'fd00::1', text()]);
  return {
    mtu: random.pick([0, 68, 1280, 1500, 65_535, 65_536]),
    hostname: text(),
    domain: random.pick([null, text()]),
    searchDomains: some(() => random.pick([text(), some(text).join('.'), 'a.b'])),
    nameservers: some(address),
    ipv4: {
      address: '10.50.0.7',
      prefixLength: random.below(33),
      routes: some(() => ({
        destination: random.pick(['default', `10.1.2.3/${random.below(35)}`, text()]),
        gateway: random.pick([null, address()]),
      })),
    },
    ipv6: null,
    options: {
      bootFileName: text(),
      tftpServerName: address(),
      ntpServers: some(address),
      privateOptions: some(() => ({
        option: random.pick([224, 249, 254, random.below(300)]),
        value: text(),
      })),
    },
  };
}

test('replies with a valid message whatever the texts of the network are', () => {
  const random = newRandom(seedOf(5));
  for (let run = runsOf(4000); run > 0; run--) {
    const request = guestMessage({
      type: random.pick([1, 8]),
      options: random.pick([[], [[57, '05dc']], [[55, '0106424377f9']]]),
    });
    const answer = answerDhcp4(request, arbitraryNetwork(random));
    if (answer.reply === null) throw new Error(answer.reason);
    checkReply(request, answer);
    const { options } = readReply(answer.reply);
    for (const code of [3, 6, 42]) {
      assert.match(options.get(code) ?? '00000000', /^([0-9a-f]{8})+$/, `whole addresses in ${code}`);
    }
  }
});

test.run();
