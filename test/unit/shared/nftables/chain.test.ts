import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeRequests } from '../../../../shared/netlink/message.ts';
import { chainAddition, type FilterChain } from '../../../../shared/nftables/chain.ts';

const test = suite('chains of nftables');

const hexOf = (chain: FilterChain): string =>
  Buffer.from(encodeRequests([chainAddition(chain)], 1).buffer).toString('hex');

/** Number of each family, and of its hooks: NF_INET_* and NF_ARP_*. */
for (const [family, number, hook, hookNumber] of [
  ['inet', '01', 'output', '03'],
  ['inet', '01', 'input', '01'],
  ['inet', '01', 'forward', '02'],
  ['arp', '03', 'output', '01'],
  ['arp', '03', 'input', '00'],
] as const) {
  test(`chainAddition() writes the bytes that the kernel expects: ${family} ${hook}`, () => {
    assert.is(
      hexOf({ table: { family, name: 't' }, name: 'silent', hook, priority: -300 }),
      `50000000030a01040100000000000000${number}000000` +
        '0600010074000000' + // table
        '0b00030073696c656e740000' + // name
        `1400048008000100000000${hookNumber}08000200fffffed4` + // hook: number, priority
        '0800050000000001' + // policy: accept
        '0b00070066696c7465720000', // type: filter
    );
  });
}

test('chainAddition() writes the bytes that the kernel expects: netdev ingress', () => {
  const table = { family: 'netdev', name: 't' } as const;
  assert.is(
    hexOf({ table, name: 'floor', hook: 'ingress', device: 'tap0', priority: 10 }),
    '5c000000030a0104010000000000000005000000' +
      '0600010074000000' + // table
      '0a000300666c6f6f72000000' + // name
      '200004800800010000000000080002000000000a' + // hook: number, priority
      '090003007461703000000000' + // device
      '0800050000000001' + // policy: accept
      '0b00070066696c7465720000', // type: filter
  );
});

test.run();
