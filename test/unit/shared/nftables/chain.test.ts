import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeRequests } from '../../../../shared/netlink/message.ts';
import { chainAddition } from '../../../../shared/nftables/chain.ts';

const test = suite('chains of nftables');

/** Number of each family's output hook: NF_INET_LOCAL_OUT and NF_ARP_OUT. */
for (const [family, number, hook] of [
  ['inet', '01', '03'],
  ['arp', '03', '01'],
] as const) {
  test(`chainAddition() writes the bytes that the kernel expects: ${family}`, () => {
    const table = { family, name: 't' };
    const request = chainAddition({ table, name: 'output', hook: 'output', priority: -300 });
    assert.is(
      Buffer.from(encodeRequests([request], 1).buffer).toString('hex'),
      `50000000030a01040100000000000000${number}000000` +
        '0600010074000000' + // table
        '0b0003006f75747075740000' + // name
        `1400048008000100000000${hook}08000200fffffed4` + // hook: number, priority
        '0800050000000001' + // policy: accept
        '0b00070066696c7465720000', // type: filter
    );
  });
}

test.run();
