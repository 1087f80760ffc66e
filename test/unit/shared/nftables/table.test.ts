import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeRequests, type Message } from '../../../../shared/netlink/message.ts';
import { allTables, tableAddition, tableDeletion } from '../../../../shared/nftables/table.ts';

const test = suite('tables of nftables');

const hexOf = (words: Iterable<number>): string =>
  Buffer.from(Uint32Array.from(words).buffer).toString('hex');
const messageOf = (hex: string): Message => ({
  type: 0x0a00,
  flags: 2,
  seq: 1,
  body: Buffer.from(hex, 'hex'),
});

test('tableAddition() and tableDeletion() write the bytes that the kernel expects', () => {
  const table = { family: 'inet', name: 't' } as const;
  assert.is(
    hexOf(encodeRequests([tableAddition(table), tableDeletion(table)], 1)),
    '1c000000000a0104010000000000000001000000' +
      '0600010074000000' +
      '1c000000020a0100020000000000000001000000' +
      '0600010074000000',
  );
});

test('allTables() requests the tables of all families', () => {
  assert.is(hexOf(encodeRequests([allTables.request], 1)), '14000000010a0103010000000000000000000000');
});

test("allTables() reads the tables of Tapwire's families, and skips messages without a name", () => {
  // In the kernel's order: name, use, handle, flags.
  const rest = '08000300000000010c00040000000000000000020800020000000000';
  const answers = [
    messageOf(`030000000600010074000000${rest}`),
    messageOf(`020000000600010074000000${rest}`),
    messageOf(`050000000600010075000000${rest}`),
    messageOf('01000000'),
  ];
  assert.equal(allTables.decode(answers), {
    tables: [
      { family: 'arp', name: 't' },
      { family: 'netdev', name: 'u' },
    ],
    refusal: null,
  });
});

test('allTables() returns the reason if the kernel rejects the request', () => {
  assert.equal(allTables.refused?.('Protocol not supported'), {
    tables: [],
    refusal: 'Protocol not supported',
  });
});

test.run();
