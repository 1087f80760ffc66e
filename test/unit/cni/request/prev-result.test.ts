import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prevResult } from '../../../../cni/request/prev-result.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('prevResult()');

test('keeps the result as it came, and reads what CHECK needs', () => {
  const source = {
    cniVersion: '1.0.0',
    interfaces: [
      { name: 'br0' },
      { name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1500, sandbox: '/x', pciID: '0000:00:01.0' },
    ],
    ips: [{ interface: 0, address: '192.0.2.10/24', gateway: '192.0.2.1' }, { address: '2001:db8::10/64' }],
    routes: [{ dst: '0.0.0.0/0', gw: '192.0.2.1', mtu: 1400, table: 0, scope: 253 }],
    dns: { nameservers: ['192.0.2.1'] },
    'example.org/vendor': 1,
  };
  assert.equal(prevResult('1.1.0')(source, '$.prevResult'), {
    source,
    interfaces: [
      { name: 'br0', mac: '', mtu: null, sandbox: '', socketPath: null, pciID: null },
      {
        name: 'eth0',
        mac: '02:00:00:00:00:01',
        mtu: 1500,
        sandbox: '/x',
        socketPath: null,
        pciID: '0000:00:01.0',
      },
    ],
    ips: [
      { version: null, interface: 0, address: '192.0.2.10/24', gateway: '192.0.2.1' },
      { version: null, interface: null, address: '2001:db8::10/64', gateway: null },
    ],
  });
});

const NAMELESS = { name: '', mac: '', sandbox: '' };
for (const [result, want] of [
  [{ interfaces: null, ips: null, routes: null, dns: null, cniVersion: '' }, {}],
  [{ interfaces: [], ips: [], routes: [], dns: {} }, {}],
  [{ interfaces: [null], ips: [null], routes: [null] }, { interfaces: [NAMELESS] }],
  [{ routes: [{ dst: '0.0.0.0/0', gw: '' }] }, {}],
  [
    { interfaces: [{ name: '', mac: '', mtu: 0, sandbox: '', socketPath: '', pciID: '' }, { mtu: -1 }] },
    {
      interfaces: [
        { ...NAMELESS, mtu: 0, socketPath: '', pciID: '' },
        { ...NAMELESS, mtu: null, socketPath: null, pciID: null },
      ],
    },
  ],
  [
    { ips: [{ version: '', interface: -1, address: '10.90.0.5/24', gateway: '' }] },
    { ips: [{ version: null, interface: null, address: '10.90.0.5/24', gateway: null }] },
  ],
] as const) {
  test(`treats zero as absent: ${JSON.stringify(result)}`, () => {
    const decoded = prevResult('0.4.0')(result, '$.prevResult');
    assert.equal(decoded, { source: result, interfaces: [], ips: [], ...want });
    assert.is(decoded.source, result, 'it is passed on as it came');
  });
}

for (const [version, stated] of [
  ['0.3.0', '0.4.0'],
  ['0.4.0', '0.3.1'],
  ['0.4.0', undefined],
  ['1.0.0', '1.1.0'],
  ['1.1.0', null],
] as const) {
  test(`[${version}] accepts a result of ${stated ?? 'no version'}`, () => {
    assert.equal(prevResult(version)({ cniVersion: stated }, '$').interfaces, []);
  });
}

for (const [version, result, message] of [
  [
    '1.0.0',
    { cniVersion: '0.4.0' },
    'Cannot read $.cniVersion: want a result of the form of "1.0.0", got "0.4.0"',
  ],
  [
    '0.4.0',
    { cniVersion: '1.0.0' },
    'Cannot read $.cniVersion: want a result of the form of "0.4.0", got "1.0.0"',
  ],
  ['1.0.0', { interfaces: {} }, 'Cannot read $.interfaces: want an array, got {}'],
  ['1.0.0', { interfaces: [{ name: 1 }] }, 'Cannot read $.interfaces[0].name: want a string, got 1'],
  [
    '1.0.0',
    { ips: [{ address: '192.0.2.10' }] },
    'Cannot read $.ips[0].address: want an IP address with its prefix length, got "192.0.2.10"',
  ],
  [
    '1.0.0',
    { ips: [{ address: '192.0.2.10/24', interface: -2 }] },
    'Cannot read $.ips[0].interface: want an integer in 0..2147483647, got -2',
  ],
  [
    '1.0.0',
    { ips: [{ address: '192.0.2.10/24', gateway: 'x' }] },
    'Cannot read $.ips[0].gateway: want an IP address, got "x"',
  ],
  [
    '0.4.0',
    { ips: [{ address: '192.0.2.10/24', version: '5' }] },
    'Cannot read $.ips[0].version: want "4" or "6", got "5"',
  ],
  [
    '1.0.0',
    { routes: [{ dst: 'x' }] },
    'Cannot read $.routes[0].dst: want an IP address with its prefix length, got "x"',
  ],
  ['1.0.0', { dns: [] }, 'Cannot read $.dns: want an object, got []'],
] as const) {
  test(`[${version}] rejects ${JSON.stringify(result)}`, async () => {
    const error = await caught(() => prevResult(version)(result, '$'));
    assert.equal([error.code, error.message], ['INVALID_CONFIG', message]);
  });
}

test.run();
