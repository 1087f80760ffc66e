import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../../../../sidecar/services/answer.ts';
import { answerDhcp6 } from '../../../../../sidecar/services/dhcp6/answer-dhcp6.ts';
import type { GuestNetwork } from '../../../../../sidecar/services/guest-network.ts';
import { mutateBytes, newRandom, runsOf, seedOf } from '../../../../helpers/fuzz.ts';
import { addressHex } from '../../../../helpers/pod/packets.ts';
import {
  CLIENT,
  CLIENT_DUID,
  CLIENT_ID,
  type Decoded,
  decoded,
  iaNa,
  iaPd,
  iaTa,
  message,
  option,
  optionsOf,
  RAPID_COMMIT,
  requesting,
  SERVER_DUID,
  SERVER_ID,
  TRANSACTION,
} from '../../../../helpers/sidecar/dhcp6-client.ts';
import { guestWith, IPV6_GUEST } from '../../../../helpers/sidecar/ipv6-guest.ts';

const test = suite('answerDhcp6()');

const OWN = 'fd00:1::5';
const OTHER = 'fd00:9::9';
/** 3600 seconds, preferred and valid. */
const LEASED = '00000e1000000e10';
const address = (text: string, lifetimes = LEASED): string => option(5, `${addressHex(text)}${lifetimes}`);
/** T1 1800 and T2 2880 seconds. */
const granted = (id: string, ...addresses: readonly string[]): string =>
  `3 ${id}0000070800000b40${addresses.join('')}`;
const lost = (text: string): string => address(text, '00'.repeat(8));
const NO_TIMES = '00'.repeat(8);
const [NO_ADDRS_AVAIL, NO_PREFIX_AVAIL] = ['000d00020002', '000d00020006'];
const [SUCCESS, NOT_ON_LINK] = ['13 0000', '13 0004'];
const PREFERENCE = '7 ff';

const answer = (type: keyof typeof CLIENT, ...options: readonly string[]): Answer =>
  answerDhcp6(message(CLIENT[type], ...options), IPV6_GUEST);

/** Fails if there is no reply, or one that names other parties. */
function replyOf(reply: Answer, clientId: string | undefined = CLIENT_DUID): Decoded {
  if (reply.reply === null) throw new Error(`No reply, because ${reply.reason}`);
  const what = decoded(reply.reply);
  assert.is(what.transaction, TRANSACTION);
  assert.is(what.serverId, SERVER_DUID);
  assert.is(what.clientId, clientId);
  assert.is(what.type, reply.name === 'Advertise' ? 2 : 7);
  return what;
}

interface Case {
  readonly why: string;
  readonly to: Answer;
  readonly name?: 'Advertise' | 'Reply';
  readonly options: readonly string[];
  readonly assigned?: readonly string[] | null;
}

const ONE = iaNa('00000001');
const TWO = iaNa('00000002');
const [OWN_LEASE, OWN_ONLY] = [granted('00000001', address(OWN)), [OWN]];

const CASES: readonly Case[] = [
  {
    why: 'Advertise to Solicit, with the greatest preference',
    to: answer('Solicit', CLIENT_ID, ONE),
    name: 'Advertise',
    options: [PREFERENCE, OWN_LEASE],
  },
  {
    why: 'Reply to Solicit with Rapid Commit',
    to: answer('Solicit', CLIENT_ID, RAPID_COMMIT, ONE),
    options: ['14 ', OWN_LEASE],
    assigned: OWN_ONLY,
  },
  {
    why: 'the addresses of the pod to Solicit that would like others',
    to: answer('Solicit', CLIENT_ID, iaNa('00000001', OTHER)),
    name: 'Advertise',
    options: [PREFERENCE, OWN_LEASE],
  },
  {
    why: 'Reply to Request',
    to: answer('Request', CLIENT_ID, SERVER_ID, ONE),
    options: [OWN_LEASE],
    assigned: OWN_ONLY,
  },
  {
    why: 'Reply without Rapid Commit to Request with it',
    to: answer('Request', CLIENT_ID, SERVER_ID, RAPID_COMMIT, iaNa('00000001', OTHER)),
    options: [OWN_LEASE],
    assigned: OWN_ONLY,
  },
  {
    why: 'Reply to Renew',
    to: answer('Renew', CLIENT_ID, SERVER_ID, iaNa('00000001', OWN)),
    options: [OWN_LEASE],
    assigned: OWN_ONLY,
  },
  {
    why: 'Reply to Rebind',
    to: answer('Rebind', CLIENT_ID, iaNa('00000001', OWN)),
    options: [OWN_LEASE],
    assigned: OWN_ONLY,
  },
  {
    why: 'the end of an address of another pod to Renew',
    to: answer('Renew', CLIENT_ID, SERVER_ID, iaNa('00000001', OTHER, OWN)),
    options: [granted('00000001', address(OWN), lost(OTHER))],
    assigned: OWN_ONLY,
  },
  {
    why: 'the end of an address of another pod to Rebind',
    to: answer('Rebind', CLIENT_ID, iaNa('00000001', OTHER)),
    options: [granted('00000001', address(OWN), lost(OTHER))],
    assigned: OWN_ONLY,
  },
  {
    why: 'NoAddrsAvail for a second IA_NA',
    to: answer('Request', CLIENT_ID, SERVER_ID, ONE, TWO),
    options: [OWN_LEASE, `3 00000002${NO_TIMES}${NO_ADDRS_AVAIL}`],
    assigned: OWN_ONLY,
  },
  {
    why: 'the end of an address of another pod in a second IA_NA',
    to: answer('Rebind', CLIENT_ID, ONE, iaNa('00000002', OWN, OTHER)),
    options: [OWN_LEASE, `3 00000002${NO_TIMES}${NO_ADDRS_AVAIL}${lost(OTHER)}`],
    assigned: OWN_ONLY,
  },
  {
    why: 'NoAddrsAvail for IA_TA',
    to: answer('Request', CLIENT_ID, SERVER_ID, iaTa('00000003')),
    options: [`4 00000003${NO_ADDRS_AVAIL}`],
  },
  {
    why: 'NoPrefixAvail for IA_PD',
    to: answer('Request', CLIENT_ID, SERVER_ID, iaPd('00000004')),
    options: [`25 00000004${NO_TIMES}${NO_PREFIX_AVAIL}`],
  },
  {
    why: 'the addresses for the first IA_NA, wherever it is in the message',
    to: answer('Solicit', CLIENT_ID, iaPd('00000004'), iaTa('00000003'), ONE),
    name: 'Advertise',
    options: [
      PREFERENCE,
      OWN_LEASE,
      `25 00000004${NO_TIMES}${NO_PREFIX_AVAIL}`,
      `4 00000003${NO_ADDRS_AVAIL}`,
    ],
  },
  {
    why: 'the addresses to Request for a prefix as well',
    to: answer('Request', CLIENT_ID, SERVER_ID, iaPd('00000004'), ONE),
    options: [OWN_LEASE, `25 00000004${NO_TIMES}${NO_PREFIX_AVAIL}`],
    assigned: OWN_ONLY,
  },
  {
    why: 'Success to Confirm of the addresses of the pod',
    to: answer('Confirm', CLIENT_ID, iaNa('00000001', OWN)),
    options: [SUCCESS],
  },
  {
    why: 'NotOnLink to Confirm of an address of another pod',
    to: answer('Confirm', CLIENT_ID, iaNa('00000001', OWN), iaNa('00000002', OTHER)),
    options: [NOT_ON_LINK],
  },
  {
    why: 'NotOnLink to Confirm of a temporary address',
    to: answer('Confirm', CLIENT_ID, iaTa('00000001', OTHER)),
    options: [NOT_ON_LINK],
  },
  {
    why: 'Success to Release',
    to: answer('Release', CLIENT_ID, SERVER_ID, iaNa('00000001', OWN)),
    options: [SUCCESS],
  },
  {
    why: 'Success to Decline',
    to: answer('Decline', CLIENT_ID, SERVER_ID, iaNa('00000001', OWN)),
    options: [SUCCESS],
  },
];

for (const { why, to, name = 'Reply', options, assigned = null } of CASES) {
  test(`answers with ${why}`, () => {
    assert.equal(replyOf(to).options, options);
    assert.is(to.reply !== null && to.name, name);
    assert.equal(to.reply !== null && to.assigned, assigned);
  });
}

const DNS = `23 ${addressHex('fd00::a')}`;
const SEARCH = '24 0161026e7300';
const WITH_DNS: GuestNetwork = {
  ...IPV6_GUEST,
  nameservers: ['10.0.0.1', 'fd00::a'],
  searchDomains: ['a.ns'],
};

for (const [type, options, want] of [
  ['Solicit', [CLIENT_ID, ONE, TWO], [PREFERENCE, OWN_LEASE, DNS, SEARCH]],
  ['Request', [CLIENT_ID, SERVER_ID, ONE, TWO], [OWN_LEASE, DNS, SEARCH]],
  ['Renew', [CLIENT_ID, SERVER_ID, ONE, TWO], [OWN_LEASE, DNS, SEARCH]],
  ['Rebind', [CLIENT_ID, ONE, TWO], [OWN_LEASE, DNS, SEARCH]],
  ['Request', [CLIENT_ID, SERVER_ID, requesting(24), ONE, TWO], [OWN_LEASE, SEARCH]],
] as const) {
  const how = options.length === 5 ? ', which asks for search domains only' : '';
  test(`tells the configuration before what it refuses in an answer to ${type}${how}`, () => {
    const reply = replyOf(answerDhcp6(message(CLIENT[type], ...options), WITH_DNS));
    assert.equal(reply.options.slice(0, -1), [...want]);
    assert.match(reply.options.at(-1) ?? '', /^3 00000002/);
  });
}

for (const [why, options, clientId] of [
  ['of a client', [CLIENT_ID], CLIENT_DUID],
  ['of a client without identifier', [], undefined],
  ['that names the server', [CLIENT_ID, SERVER_ID], CLIENT_DUID],
] as const) {
  test(`answers Information-request ${why}`, () => {
    const reply = answerDhcp6(message(11, ...options), WITH_DNS);
    assert.is(reply.reply !== null && reply.name, 'Reply');
    assert.is(reply.reply !== null && reply.assigned, null);
    const { options: told, ...what } = decoded(reply.reply ?? Buffer.alloc(4));
    assert.equal(told, [DNS, SEARCH]);
    assert.equal(what, { type: 7, transaction: TRANSACTION, clientId, serverId: SERVER_DUID });
  });
}

for (const type of ['Confirm', 'Release', 'Decline'] as const) {
  test(`tells no configuration in an answer to ${type}`, () => {
    const names = type === 'Confirm' ? [] : [SERVER_ID];
    const reply = answerDhcp6(message(CLIENT[type], CLIENT_ID, ...names, iaNa('00000001', OWN)), WITH_DNS);
    assert.equal(replyOf(reply).options, [SUCCESS]);
  });
}

const ALL_OWN = ['fd00:1::5', 'fd00:2::5', 'fd00:3::5'];

test('gives all addresses of the pod', () => {
  const reply = answerDhcp6(message(3, CLIENT_ID, SERVER_ID, ONE), guestWith({ addresses: ALL_OWN }));
  assert.equal(replyOf(reply).options, [granted('00000001', ...ALL_OWN.map((one) => address(one)))]);
  assert.equal(reply.reply !== null && reply.assigned, ALL_OWN);
});

test('confirms each address of the pod', () => {
  const confirm = message(4, CLIENT_ID, iaNa('00000001', 'fd00:2::5'));
  assert.equal(replyOf(answerDhcp6(confirm, guestWith({ addresses: ALL_OWN }))).options, [SUCCESS]);
});

test('gives the same answer before and after a migration', () => {
  const renew = message(5, CLIENT_ID, SERVER_ID, iaNa('00000001', OWN));
  assert.equal(answerDhcp6(renew, IPV6_GUEST), answerDhcp6(renew, guestWith({ router: 'fe80::2' })));
});

const FOREIGN_ID = option(2, '0003000102000000000f');

for (const [why, request, reason, isNormal] of [
  [
    'that names another server: Request',
    message(3, CLIENT_ID, FOREIGN_ID, ONE),
    'it names another server',
    true,
  ],
  [
    'that names another server: Renew',
    message(5, CLIENT_ID, FOREIGN_ID, ONE),
    'it names another server',
    true,
  ],
  ['that names another server: Release', message(8, CLIENT_ID, FOREIGN_ID), 'it names another server', true],
  ['that names another server: Decline', message(9, CLIENT_ID, FOREIGN_ID), 'it names another server', true],
  [
    'that names another server: Information-request',
    message(11, FOREIGN_ID),
    'it names another server',
    true,
  ],
  ...([3, 5, 8, 9] as const).map(
    (type) =>
      [
        `of type ${type} without a server`,
        message(type, CLIENT_ID, ONE),
        'it does not name a server',
        false,
      ] as const,
  ),
  ...([1, 4, 6] as const).map(
    (type) =>
      [
        `of type ${type} with a server`,
        message(type, CLIENT_ID, SERVER_ID, iaNa('00000001', OWN)),
        'it names a server, but is for all servers',
        false,
      ] as const,
  ),
  ...([1, 3, 4, 5, 6, 8, 9] as const).map(
    (type) =>
      [
        `of type ${type} without a client`,
        message(type, ...([1, 4, 6].includes(type) ? [] : [SERVER_ID]), iaNa('00000001', OWN)),
        'it has no valid client identifier',
        false,
      ] as const,
  ),
  [
    'for information that asks for addresses',
    message(11, CLIENT_ID, ONE),
    'it is for information, but asks for addresses',
    false,
  ],
  ['to confirm nothing', message(4, CLIENT_ID, ONE), 'it lists no addresses', true],
  ...([0, 2, 7, 10, 12, 13, 14, 255] as const).map(
    (type) =>
      [
        `of type ${type}, which clients do not send`,
        message(type, CLIENT_ID, ONE),
        'clients do not send this type of message',
        false,
      ] as const,
  ),
  ['without bytes', Buffer.alloc(0), 'it is malformed', false],
  ['with half an option', message(1, CLIENT_ID, ONE, '0003'), 'it is malformed', false],
] as const) {
  test(`keeps silent about a message ${why}`, () =>
    assert.equal(answerDhcp6(request, IPV6_GUEST), { reply: null, reason, isNormal }));
}

test('keeps silent without IPv6', () =>
  assert.equal(answerDhcp6(message(1, CLIENT_ID, ONE), { ...IPV6_GUEST, ipv6: null }), {
    reply: null,
    reason: 'the pod has no IPv6 address for the guest',
    isNormal: true,
  }));

const many = (count: number, of: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => of(i));

test('serves 16 addresses, and fits into a packet whatever the pod and the guest have', () => {
  const addresses = many(100, (i) => `fd00:1::${i.toString(16)}`);
  const foreign = many(100, (i) => `fd00:9::${i.toString(16)}`);
  const network: GuestNetwork = {
    ...guestWith({ addresses }),
    nameservers: many(100, (i) => `fd00::${i}`),
    searchDomains: many(100, (i) => `d${i}.example`),
  };
  const longId = option(1, `0002${'ab'.repeat(128)}`);
  const refused = many(100, (i) => iaNa(String(10_000_000 + i)));
  const reply = answerDhcp6(message(6, longId, iaNa('00000001', ...foreign), ...refused), network);
  assert.equal(reply.reply !== null && reply.assigned, addresses.slice(0, 16));
  const own = addresses.slice(0, 16).map((one) => address(one));
  const lease = granted('00000001', ...own, ...foreign.slice(0, 8).map(lost));
  const { options } = replyOf(reply, longId.slice(8));
  assert.is(options[0], lease);
  assert.match(options[1] ?? '', /^23 (.{32}){16,}$/);
  const bytes = reply.reply?.length ?? 0;
  assert.ok(bytes <= 1232 && bytes > 1200, `${bytes} bytes`);
});

test('uses all bytes that a reply may have', () => {
  const refused = many(100, (i) => iaTa(String(10_000_000 + i)));
  const lengths = Array.from({ length: 100 }, (_, i) => {
    const id = option(1, `0002${'ab'.repeat(1 + i)}`);
    return answerDhcp6(message(3, id, SERVER_ID, ...refused), IPV6_GUEST).reply?.length ?? 0;
  });
  assert.is(Math.max(...lengths), 1232);
});

test('withdraws none of the addresses of the pod', () => {
  const network = guestWith({ addresses: ALL_OWN });
  const reply = answerDhcp6(message(6, CLIENT_ID, iaNa('00000001', OTHER, ...ALL_OWN)), network);
  const own = ALL_OWN.map((one) => address(one));
  assert.equal(replyOf(reply).options, [granted('00000001', ...own, lost(OTHER))]);
});

test('confirms only addresses that it serves', () => {
  const addresses = many(17, (i) => `fd00:1::${i.toString(16)}`);
  const confirm = message(4, CLIENT_ID, iaNa('00000001', 'fd00:1::10'));
  assert.equal(replyOf(answerDhcp6(confirm, guestWith({ addresses }))).options, [NOT_ON_LINK]);
});

/** Whether a message of a type has to name a server; null: as the client likes (RFC 8415 §16). */
const NAMES_SERVER = new Map<number | undefined, boolean | null>([
  ...[1, 4, 6].map((type) => [type, false] as const),
  ...[3, 5, 8, 9].map((type) => [type, true] as const),
  [11, null],
]);

/** Whether the server has to answer a message, as this file understands the RFC. */
function isRequest(bytes: Buffer): boolean {
  const names = NAMES_SERVER.get(bytes[0]);
  if (names === undefined || bytes.length < 4) return false;
  try {
    const options = optionsOf(bytes.toString('hex', 4));
    const first = (wanted: number) => options.find(([code]) => code === wanted)?.[1];
    const [client = '', server, requested = ''] = [first(1), first(2), first(6)];
    const associations = options.filter(([code]) => [3, 4, 25].includes(code));
    const inner = associations.flatMap(([code, content]) => {
      const head = code === 4 ? 8 : 24;
      return optionsOf(content.padEnd(head, '?').slice(head)).concat([[0, content.length < head ? '?' : '']]);
    });
    const listed = inner.filter(([code]) => code === 5);
    return (
      (names === null || names === (server !== undefined)) &&
      (server ?? SERVER_DUID) === SERVER_DUID &&
      requested.length % 4 === 0 &&
      inner.every(([, content]) => content !== '?') &&
      listed.every(([, content]) => content.length >= 48) &&
      (bytes[0] === 11 ? associations.length === 0 : client.length >= 6 && client.length <= 260) &&
      (bytes[0] !== 4 || listed.length > 0)
    );
  } catch {
    return false;
  }
}

test('answers the valid ones of 20,000 messages, and no others', () => {
  const random = newRandom(seedOf(6));
  const valid = [
    message(1, CLIENT_ID, requesting(23, 24), RAPID_COMMIT, ONE),
    message(3, CLIENT_ID, SERVER_ID, ONE, TWO, iaPd('00000004')),
    message(4, CLIENT_ID, iaNa('00000001', OWN)),
    message(5, CLIENT_ID, SERVER_ID, iaNa('00000001', OWN, OTHER), iaTa('00000003', OTHER)),
    message(6, CLIENT_ID, iaNa('00000001', OTHER)),
    message(8, CLIENT_ID, SERVER_ID, ONE),
    message(9, CLIENT_ID, SERVER_ID, ONE),
    message(11, requesting(23, 24, 56)),
  ];
  const answered = new Map<boolean, number>();
  for (let run = runsOf(20_000); run > 0; run--) {
    const bytes = random.oneIn(10)
      ? random.bytes(random.below(200))
      : mutateBytes(random, random.pick(valid));
    const { reply } = answerDhcp6(bytes, WITH_DNS);
    assert.is(reply !== null, isRequest(bytes), `${bytes.toString('hex')}, seed ${seedOf(6)}`);
    answered.set(reply !== null, (answered.get(reply !== null) ?? 0) + 1);
    if (reply !== null) decoded(reply);
  }
  assert.ok([true, false].every((is) => (answered.get(is) ?? 0) > runsOf(20_000) / 20));
});

test.run();
