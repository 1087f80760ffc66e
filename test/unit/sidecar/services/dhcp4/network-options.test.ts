import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { networkOptions } from '../../../../../sidecar/services/dhcp4/network-options.ts';
import {
  type GuestIpv4,
  type GuestNetwork,
  NO_DHCP_OPTIONS,
  type VmiDhcpOptions,
} from '../../../../../sidecar/services/guest-network.ts';
import { GUEST_NETWORK } from '../../../../helpers/sidecar/dhcp4.ts';

const test = suite('networkOptions()');

const NO_ROUTES: GuestIpv4 = { address: '10.50.0.7', prefixLength: 24, routes: [] };

/** Values in hexadecimal, by code. */
function encoded(network: Partial<GuestNetwork> = {}, ipv4: Partial<GuestIpv4> = {}) {
  const options = networkOptions({ ...GUEST_NETWORK, ...network }, { ...NO_ROUTES, ...ipv4 });
  return new Map([...options].map(([code, value]) => [code, value.toString('hex')]));
}

const withOptions = (options: Partial<VmiDhcpOptions>) =>
  encoded({ options: { ...NO_DHCP_OPTIONS, ...options } });

const hex = (text: string): string => Buffer.from(text).toString('hex');

test('has an option for all that is known, and no other', () => {
  const routes = [{ destination: 'default', gateway: '10.50.0.1' }];
  assert.equal([...encoded({}, { routes }).keys()], [1, 3, 6, 12, 15, 26, 121, 119, 249, 28]);
});

test('has only the mask, the MTU and the broadcast address if nothing else is known', () => {
  const nothing = { hostname: '', domain: null, searchDomains: [], nameservers: [] };
  assert.equal([...encoded(nothing).keys()], [1, 26, 28]);
});

for (const [prefixLength, mask, broadcast] of [
  [0, '00000000', 'ffffffff'],
  [1, '80000000', '7fffffff'],
  [20, 'fffff000', '0a320fff'],
  [24, 'ffffff00', '0a3200ff'],
  [30, 'fffffffc', '0a320007'],
  [31, 'fffffffe', undefined],
  [32, 'ffffffff', undefined],
] as const) {
  test(`has mask ${mask} and broadcast address ${broadcast ?? 'none'} for /${prefixLength}`, () => {
    const options = encoded({}, { address: '10.50.0.7', prefixLength });
    assert.is(options.get(1), mask);
    assert.is(options.get(28), broadcast);
  });
}

test('has a broadcast address with the highest bit', () => {
  assert.is(encoded({}, { address: '192.168.1.2' }).get(28), 'c0a801ff');
});

test('has the gateway of the default route as router', () => {
  const routes = [
    { destination: '10.2.0.0/16', gateway: '10.50.0.2' },
    { destination: 'default', gateway: '10.50.0.1' },
  ];
  assert.is(encoded({}, { routes }).get(3), '0a320001');
});

test('has the routes as 121, and the same for Windows as 249', () => {
  const options = encoded({}, { routes: [{ destination: 'default', gateway: '10.50.0.1' }] });
  assert.is(options.get(121), '000a320001');
  assert.is(options.get(249), '000a320001');
});

test('has whole addresses of the IPv4 nameservers alone', () => {
  const nameservers = ['fd00::10', '10.96.0.10', '01.1.1.1', '', '1.1.1', '1.2.3.4%eth0', '8.8.8.8'];
  assert.is(encoded({ nameservers }).get(6), '0a60000a08080808');
  assert.is(encoded({ nameservers: ['fd00::10'] }).get(6), undefined);
});

test('has the name of the VM', () => {
  assert.is(encoded({ hostname: 'v' }).get(12), hex('v'));
  assert.is(encoded({ hostname: 'x'.repeat(255) }).get(12), hex('x'.repeat(255)));
  assert.is(encoded({ hostname: 'x'.repeat(256) }).get(12), undefined);
});

test('has the domain of the VM', () => {
  assert.is(encoded({ domain: 'vms.example' }).get(15), hex('vms.example'));
});

for (const domain of ['', '.', 'a..b', `${'x'.repeat(64)}.com`]) {
  test(`has no domain "${domain.slice(0, 20)}", which is not a name`, () => {
    assert.is(encoded({ domain }).get(15), undefined);
  });
}

test('has the MTU', () => {
  assert.is(encoded({ mtu: 1450 }).get(26), '05aa');
  assert.is(encoded({ mtu: 68 }).get(26), '0044');
  assert.is(encoded({ mtu: 65_535 }).get(26), 'ffff');
});

test('has no MTU that the option cannot have', () => {
  assert.is(encoded({ mtu: 67 }).get(26), undefined);
  assert.is(encoded({ mtu: 65_536 }).get(26), undefined);
});

test('has the search list', () => {
  assert.is(encoded({ searchDomains: ['a.b', '', 'b'] }).get(119), hex('\x01a\x01b\0').concat('c002'));
});

test('has the NTP servers of the VMI that are IPv4 addresses', () => {
  const ntpServers = ['127.0.0.1', 'pool.ntp.org', 'fd00::1', '127.0.0.2'];
  assert.is(withOptions({ ntpServers }).get(42), '7f0000017f000002');
  assert.is(withOptions({ ntpServers: ['pool.ntp.org'] }).get(42), undefined);
});

test('has the TFTP server of the VMI as text', () => {
  assert.is(withOptions({ tftpServerName: 'tftp.example' }).get(66), hex('tftp.example'));
});

test('has the boot file of the VMI as text', () => {
  assert.is(withOptions({ bootFileName: 'pxelinux.0' }).get(67), hex('pxelinux.0'));
  assert.is(withOptions({ bootFileName: 'x'.repeat(256) }).get(67), undefined);
});

test('has the private options of the VMI as text, of any length', () => {
  const options = withOptions({
    privateOptions: [
      { option: 224, value: 'first' },
      { option: 254, value: 'ä'.repeat(200) },
      { option: 240, value: '' },
    ],
  });
  assert.is(options.get(224), hex('first'));
  assert.is(options.get(254), hex('ä'.repeat(200)));
  assert.is(options.get(240), '');
});

test('has the last value of a private option that the VMI sets twice', () => {
  const privateOptions = ['a', 'b'].map((value) => ({ option: 224, value }));
  assert.is(withOptions({ privateOptions }).get(224), hex('b'));
});

test('has the private option 249 of a VMI instead of the routes for Windows', () => {
  const options = encoded(
    { options: { ...NO_DHCP_OPTIONS, privateOptions: [{ option: 249, value: 'own' }] } },
    { routes: [{ destination: 'default', gateway: '10.50.0.1' }] },
  );
  assert.is(options.get(249), hex('own'));
  assert.is(options.get(121), '000a320001');
});

for (const option of [223, 255, 53, 256 + 224, 224.5, Number.NaN, -1]) {
  test(`does not have ${option} as a private option`, () => {
    const plain = [...withOptions({}).keys()];
    assert.equal([...withOptions({ privateOptions: [{ option, value: 'x' }] }).keys()], plain);
  });
}

test.run();
