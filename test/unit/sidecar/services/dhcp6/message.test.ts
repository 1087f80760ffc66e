import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeMessage } from '../../../../../sidecar/services/dhcp6/message.ts';
import { addressHex } from '../../../../helpers/pod/packets.ts';
import {
  CLIENT,
  CLIENT_DUID,
  CLIENT_ID,
  iaNa,
  iaPd,
  iaTa,
  message,
  option,
  RAPID_COMMIT,
  requesting,
  SERVER_DUID,
  SERVER_ID,
} from '../../../../helpers/sidecar/dhcp6-client.ts';

const test = suite('decodeMessage()');

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const EMPTY = {
  type: 'Solicit',
  transactionId: hex('abcdef'),
  clientId: null,
  serverId: null,
  wantsRapidCommit: false,
  requested: null,
  associations: [],
};
const association = (kind: string, id: string, ...addresses: readonly string[]) => ({
  kind,
  id: hex(id),
  addresses: addresses.map((address) => hex(addressHex(address))),
});

for (const [type, number] of Object.entries(CLIENT)) {
  test(`reads ${type}`, () => assert.equal(decodeMessage(message(number)), { ...EMPTY, type }));
}

for (const [why, options, want] of [
  ['the identifier of the client', [CLIENT_ID], { clientId: hex(CLIENT_DUID) }],
  ['the shortest identifier', [option(1, '000201')], { clientId: hex('000201') }],
  [
    'the longest identifier',
    [option(1, `0002${'ab'.repeat(128)}`)],
    { clientId: hex(`0002${'ab'.repeat(128)}`) },
  ],
  ['no identifier in one that is too short', [option(1, '0002')], {}],
  ['no identifier in one that is too long', [option(1, `0002${'ab'.repeat(129)}`)], {}],
  ['the first of two identifiers', [CLIENT_ID, option(1, '000201')], { clientId: hex(CLIENT_DUID) }],
  ['the identifier of the server', [SERVER_ID], { serverId: hex(SERVER_DUID) }],
  ['Rapid Commit', [RAPID_COMMIT], { wantsRapidCommit: true }],
  ['the options that it asks for', [requesting(23, 24)], { requested: new Set([23, 24]) }],
  ['that it asks for no options', [requesting()], { requested: new Set() }],
  ['options that the server does not know', [option(8, '0000'), option(65_535, 'ff')], {}],
  [
    'associations in their order',
    [iaPd('00000004'), iaTa('00000003', 'fd00::3'), iaNa('00000001', 'fd00::1', 'fd00::2')],
    {
      associations: [
        association('iaPd', '00000004'),
        association('iaTa', '00000003', 'fd00::3'),
        association('iaNa', '00000001', 'fd00::1', 'fd00::2'),
      ],
    },
  ],
  [
    'an address that has options itself',
    [
      option(
        3,
        `00000001${'00'.repeat(8)}${option(5, `${addressHex('fd00::1')}${'00'.repeat(8)}000d00020000`)}`,
      ),
    ],
    { associations: [association('iaNa', '00000001', 'fd00::1')] },
  ],
] as const) {
  test(`reads ${why}`, () => assert.equal(decodeMessage(message(1, ...options)), { ...EMPTY, ...want }));
}

const address = `${addressHex('fd00::1')}${'00'.repeat(8)}`;

for (const [why, bytes] of [
  ['without bytes', Buffer.alloc(0)],
  ['that ends in its transaction', hex('01abcd')],
  ['that ends in the header of an option', message(1, '00010')],
  ['that ends in the code of an option', message(1, CLIENT_ID, '0003')],
  ['that ends in an option', message(1, CLIENT_ID, '0003000c00000001')],
  ['with an odd number of bytes in the request for options', message(1, option(6, '001700'))],
  ['with an IA_NA that is too short', message(1, option(3, '00'.repeat(11)))],
  ['with an IA_TA that is too short', message(1, option(4, '00'.repeat(3)))],
  ['with an IA_PD that is too short', message(1, option(25, '00'.repeat(11)))],
  ['with an IA_NA that ends in an option', message(1, option(3, `${'00'.repeat(12)}00050018`))],
  [
    'with a second IA_NA that ends in an option',
    message(1, iaNa('00000001'), option(3, `${'00'.repeat(13)}`)),
  ],
  ['with an address that is too short', message(1, option(4, `00000001${option(5, address.slice(2))}`))],
] as const) {
  test(`finds a message malformed ${why}`, () => assert.is(decodeMessage(bytes), 'malformed'));
}

for (const type of [0, 2, 7, 10, 12, 13, 14, 35, 36, 255]) {
  test(`finds type ${type} foreign, whatever follows`, () =>
    assert.is(decodeMessage(message(type, 'ffff')), 'foreign'));
}

test('reads a message as long as a datagram', () => {
  const most = message(1, ...Array<string>(16_000).fill(option(9)));
  assert.equal(decodeMessage(most), EMPTY);
});

test.run();
