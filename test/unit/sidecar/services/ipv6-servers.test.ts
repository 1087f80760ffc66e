import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ipv6ServersOf } from '../../../../sidecar/services/ipv6-servers.ts';

const test = suite('ipv6ServersOf()');

for (const [why, servers, want] of [
  ['addresses in their order', ['fd00::2', 'fd00::1'], ['fd00::2', 'fd00::1']],
  ['an address with a dotted part', ['::ffff:1.2.3.4'], ['::ffff:102:304']],
  ['without IPv4 addresses', ['10.0.0.1', 'fd00::1'], ['fd00::1']],
  ['without addresses in a zone of the pod', ['fe80::1%eth0', 'fe80::1%1'], []],
  ['without text that is not an address', ['', ':', 'ntp.example', '[::1]', '::1 ', '1:2', 'fd00::1/64'], []],
] as const) {
  test(`returns ${why}`, () => {
    const bytes = want.map((address) => Buffer.from(hexOf(address), 'hex'));
    assert.equal(ipv6ServersOf(servers), bytes);
  });
}

const HEX: Readonly<Record<string, string>> = {
  'fd00::1': 'fd000000000000000000000000000001',
  'fd00::2': 'fd000000000000000000000000000002',
  '::ffff:102:304': '00000000000000000000ffff01020304',
};
const hexOf = (address: string): string => HEX[address] ?? '';

test.run();
