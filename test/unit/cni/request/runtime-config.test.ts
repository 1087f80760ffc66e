import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runtimeConfig } from '../../../../cni/request/runtime-config.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('runtimeConfig');

test('accepts every key of the conventions, and others', () => {
  const decoded = runtimeConfig(
    {
      mac: '02:00:00:00:00:01',
      ips: ['192.0.2.5', '2001:db8::5/64'],
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '' }],
      bandwidth: { ingressRate: 2048, ingressBurst: 1600 },
      dns: { servers: ['192.0.2.1'], searches: null, options: [] },
      ipRanges: [[{ subnet: '192.0.2.0/24' }]],
      infinibandGUID: '00:11:22:33:44:55:66:77',
      deviceID: '0000:04:00.5',
      aliases: ['a'],
      cgroupPath: '/kubepods/x',
      CNIDeviceInfoFile: '/var/run/k8s.cni.cncf.io/devinfo/cni/x',
      somebodys: { key: true },
    },
    '$.runtimeConfig',
  );
  assert.equal(decoded, { mac: '02:00:00:00:00:01' });
  assert.equal(runtimeConfig({}, '$'), { mac: null });
});

for (const config of [
  { mac: '', ips: [], infinibandGUID: '', deviceID: '', cgroupPath: '', CNIDeviceInfoFile: '' },
  { mac: null, ips: null, portMappings: null, bandwidth: null, dns: null, ipRanges: null, aliases: null },
  { portMappings: [], bandwidth: {}, dns: {}, ipRanges: [], aliases: [] },
  { portMappings: [{ hostPort: 0, containerPort: 1, protocol: '', hostIP: '' }], ipRanges: [null, []] },
  { portMappings: [{ containerPort: 1 }] },
  { bandwidth: { ingressRate: 0, ingressBurst: 2 ** 64, egressRate: null, EgressBurst: 2 ** 31 - 1 } },
  { dns: { Servers: null, Searches: null, Options: [] }, ips: ['::ffff:192.0.2.1', '192.0.2.1/024'] },
  { infinibandGUID: '00-11-22-33-44-55-66-77' },
]) {
  test(`accepts ${JSON.stringify(config)}`, () => {
    assert.equal(runtimeConfig(config, '$'), { mac: null });
  });
}

for (const [config, message] of [
  [[], 'Cannot read $: want an object, got []'],
  [
    { mac: '00:00:00:00:00:00' },
    'Cannot read $.mac: want a unicast MAC address such as "02:00:00:00:00:01", got "00:00:00:00:00:00"',
  ],
  [
    { ips: ['10.0.0.1/33'] },
    'Cannot read $.ips[0]: want an IP address, with or without its prefix length, got "10.0.0.1/33"',
  ],
  [
    { portMappings: [{ hostPort: 1 }] },
    'Cannot read $.portMappings[0].containerPort: want an integer in 1..65535, got nothing',
  ],
  [
    { portMappings: [{ hostPort: -1, containerPort: 1 }] },
    'Cannot read $.portMappings[0].hostPort: want an integer in 0..65535, got -1',
  ],
  [
    { bandwidth: { egressRate: 1.5 } },
    'Cannot read $.bandwidth.egressRate: want an integer in 0..18446744073709552000, got 1.5',
  ],
  [{ dns: { servers: 'x' } }, 'Cannot read $.dns.servers: want an array, got "x"'],
  [{ ipRanges: [{}] }, 'Cannot read $.ipRanges[0]: want an array, got {}'],
  [
    { infinibandGUID: '00:11' },
    'Cannot read $.infinibandGUID: want eight octets such as "00:11:22:33:44:55:66:77", got "00:11"',
  ],
  [{ deviceID: ' ' }, 'Cannot read $.deviceID: want a device id, got " "'],
  [{ aliases: [1] }, 'Cannot read $.aliases[0]: want a string, got 1'],
  [{ cgroupPath: 1 }, 'Cannot read $.cgroupPath: want a string, got 1'],
  [{ CNIDeviceInfoFile: 1 }, 'Cannot read $.CNIDeviceInfoFile: want a string, got 1'],
] as const) {
  test(`rejects ${JSON.stringify(config)}`, async () => {
    const error = await caught(() => runtimeConfig(config, '$'));
    assert.equal([error.code, error.message], ['INVALID_CONFIG', message]);
  });
}

test.run();
