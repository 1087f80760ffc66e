import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_DHCP_OPTIONS } from '../../../../sidecar/services/guest-network.ts';
import { parseGuestOptions } from '../../../../sidecar/vmi/guest-options.ts';
import { caught } from '../../../helpers/caught.ts';
import { vmiJson } from '../../../helpers/sidecar/vmi.ts';

const test = suite('parseGuestOptions()');

const parsed = (vmi: unknown) => parseGuestOptions(Buffer.from(JSON.stringify(vmi)));
const withInterfaces = (
  interfaces: readonly unknown[],
  networks = [
    { name: 'a', pod: {} },
    { name: 'b', multus: {} },
  ],
) => parsed({ spec: { networks, domain: { devices: { interfaces } } } });

test('parseGuestOptions() returns every interface, whatever its binding', () => {
  const options = {
    bootFileName: 'pxelinux.0',
    tftpServerName: 'tftp.test',
    ntpServers: ['192.0.2.1', 'not an address'],
    privateOptions: [{ option: 240, value: 'x' }],
  };
  const vmi = vmiJson({
    red: { macAddress: '02-00-00-00-00-AB', dhcpOptions: options },
    spec: { subdomain: 'sub' },
    metadata: { annotations: { 'tapwire.io/network-config': 'pod' } },
  });
  const { interfaces, ...rest } = parseGuestOptions(vmi);
  assert.equal(rest, { subdomain: 'sub', networkConfig: 'pod', warnings: [] });
  const red = interfaces.find(({ name }) => name === 'red');
  assert.equal([red?.options, red?.mac, red?.network.primary], [options, '02:00:00:00:00:ab', false]);
  const pod = interfaces.find(({ name }) => name === 'default');
  assert.equal([pod?.options, pod?.mac, pod?.network.primary], [NO_DHCP_OPTIONS, null, true]);
});

test('parseGuestOptions() returns defaults for a VMI without anything', () => {
  for (const vmi of [{}, { metadata: null, spec: null, status: null }, { metadata: { annotations: null } }]) {
    assert.equal(parsed(vmi), {
      subdomain: '',
      networkConfig: null,
      interfaces: [],
      warnings: [],
    });
  }
});

for (const [why, dhcpOptions, warning] of [
  ['is not an object', 'x', '$.spec.domain.devices.interfaces[0].dhcpOptions: want an object, got "x"'],
  ['has a number as name', { bootFileName: 1 }, 'dhcpOptions.bootFileName: want a string, got 1'],
  [
    'has an NTP server of the wrong type',
    { ntpServers: [{}] },
    'dhcpOptions.ntpServers[0]: want a string, got {}',
  ],
  [
    'has an option out of range',
    { privateOptions: [{ option: 256, value: '' }] },
    'dhcpOptions.privateOptions[0].option: want an integer in 0..255, got 256',
  ],
] as const) {
  test(`parseGuestOptions() warns of dhcpOptions that ${why}, and goes on without them`, () => {
    const { interfaces, warnings } = withInterfaces([{ name: 'a', dhcpOptions }, { name: 'b' }]);
    assert.equal(
      interfaces.map(({ name, options }) => [name, options]),
      [
        ['a', NO_DHCP_OPTIONS],
        ['b', NO_DHCP_OPTIONS],
      ],
    );
    assert.is(warnings.length, 1);
    assert.ok(warnings[0]?.endsWith(`${warning}; the guest does without it`), warnings[0]);
  });
}

test('parseGuestOptions() warns of a MAC address that is not one', () => {
  const { interfaces, warnings } = withInterfaces([{ name: 'a', macAddress: 'ff:ff:ff:ff:ff:ff' }]);
  assert.is(interfaces[0]?.mac, null);
  assert.match(warnings[0] ?? '', /macAddress: want a unicast MAC address/);
});

test('parseGuestOptions() skips interfaces without a name or a network, absent ones, and repeated names', () => {
  const { interfaces, warnings } = withInterfaces([
    { name: 'a', macAddress: '02:00:00:00:00:01' },
    { name: 'a', macAddress: '02:00:00:00:00:02' },
    { name: 'b', state: 'absent' },
    { name: 'c' },
    { name: 1 },
    {},
  ]);
  assert.equal(
    interfaces.map(({ name, mac }) => [name, mac]),
    [['a', '02:00:00:00:00:01']],
  );
  assert.equal(warnings, []);
});

test('parseGuestOptions() limits its warnings', () => {
  const names = Array.from({ length: 500 }, (_, index) => ({ name: `n${index}`, dhcpOptions: 1 }));
  const { interfaces, warnings } = withInterfaces(
    names,
    names.map(({ name }) => ({ name, pod: {} })),
  );
  assert.equal([interfaces.length, warnings.length], [500, 10]);
});

test('parseGuestOptions() rejects what is not JSON without quoting it, and invalid networks by their path', async () => {
  for (const bytes of [Buffer.from('{"password":"SECRET'), Buffer.from('"\xe9SECRET"', 'latin1')]) {
    const error = await caught(() => parseGuestOptions(bytes));
    assert.equal(
      [error.code, error.message],
      ['INVALID_VMI', 'Cannot read the VMI: it is not JSON in UTF-8'],
    );
  }
  const error = await caught(() => withInterfaces([], [{ name: 1 }] as never));
  assert.equal(
    [error.code, error.message],
    ['INVALID_VMI', 'Cannot read $.spec.networks[0].name: want a string, got 1'],
  );
});

test('parseGuestOptions() ignores annotations with the value of another type, and inherited names', () => {
  assert.is(parsed({ metadata: { annotations: { 'tapwire.io/network-config': true } } }).networkConfig, null);
  assert.equal(withInterfaces([{ name: '__proto__' }, { name: 'constructor' }]).interfaces, []);
});

test.run();
