import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configurationOf } from '../../../../../sidecar/services/dhcp6/configuration.ts';
import { type GuestNetwork, NO_DHCP_OPTIONS } from '../../../../../sidecar/services/guest-network.ts';
import { addressHex } from '../../../../helpers/pod/packets.ts';
import { IPV6_GUEST, ODD_DOMAINS, ODD_DOMAINS_ENCODED } from '../../../../helpers/sidecar/ipv6-guest.ts';

const test = suite('configurationOf()');

const NETWORK: GuestNetwork = {
  ...IPV6_GUEST,
  nameservers: ['10.0.0.1', 'fd00::b', 'fe80::1%eth0', 'fd00::a'],
  searchDomains: ['a.ns', 'b'],
  options: { ...NO_DHCP_OPTIONS, ntpServers: ['10.0.0.2', 'ntp.example', 'fd00::c', 'fd00::d'] },
};
const DNS = [23, addressHex('fd00::b'), addressHex('fd00::a')];
const SEARCH = [24, '0161026e7300', '016200'];
const NTP = ['fd00::c', 'fd00::d'].map((server) => [56, `00010010${addressHex(server)}`]);

const configure = (network: GuestNetwork, requested: readonly number[] | null) =>
  configurationOf(network, requested === null ? null : new Set(requested))
    .filter(({ items }) => items.length > 0)
    .map(({ code, items }) => [code, ...items.map((item) => item.toString('hex'))]);

for (const [why, requested, want] of [
  ['DNS servers and search domains to a client that does not say what it wants', null, [DNS, SEARCH]],
  ['DNS servers to a client that wants them', [23], [DNS]],
  ['search domains to a client that wants them', [24], [SEARCH]],
  ['each NTP server in an option to a client that wants them', [56], NTP],
  ['all in the order of importance', [56, 24, 23, 39], [DNS, SEARCH, ...NTP]],
  ['nothing to a client that wants nothing', [], []],
] as const) {
  test(`tells ${why}`, () => assert.equal(configure(NETWORK, requested), [...want]));
}

test('tells nothing that is unknown', () => assert.equal(configure(IPV6_GUEST, [23, 24, 56]), []));

test('tells no DNS servers if all have IPv4 addresses', () =>
  assert.equal(configure({ ...IPV6_GUEST, nameservers: ['10.0.0.1', '10.0.0.2'] }, null), []));

test('leaves out search domains that are not names', () =>
  assert.equal(configure({ ...IPV6_GUEST, searchDomains: ODD_DOMAINS }, null), [
    [24, ...ODD_DOMAINS_ENCODED],
  ]));

test.run();
