import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeNetConf } from '../../../../cni/request/config.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('decodeNetConf()');

const BASE = { cniVersion: '1.0.0', name: 'tapwire-tap' };
const DEFAULTS = {
  ...BASE,
  binding: 'tap',
  podLink: null,
  network: null,
  mtu: null,
  owner: 107,
  group: 107,
  multiQueue: false,
  selinuxContext: null,
  logicNetworkName: null,
  mac: null,
  prevResult: null,
  unknownKeys: [],
  guestAddresses: 'network',
  spoofGuard: 'off',
};
const prevResult = { cniVersion: '1.0.0', interfaces: [] };

for (const [why, conf, want] of [
  ['only the required keys', {}, {}],
  ['keys of other plugins', { type: 'tapwire', deviceID: 'x', 'cni.dev/attachments': [] }, {}],
  ['null is absent, as Go writes it', { mtu: null, owner: null, args: null, prevResult: null }, {}],
  ...[
    {
      binding: '',
      podLink: '',
      network: '',
      mtu: 0,
      owner: '',
      group: '',
      multiQueue: false,
      selinuxContext: '',
      guestAddresses: '',
      spoofGuard: '',
    },
    { deviceID: '', pciBusID: '', capabilities: null, runtimeConfig: null, args: null },
    { capabilities: {}, runtimeConfig: {}, args: {} },
    { args: { cni: null } },
    { args: { cni: {} } },
    { args: { cni: { logicNetworkName: '', mac: '', ips: null, labels: null } } },
    { args: { cni: { ips: [], labels: [] } } },
    { runtimeConfig: { mac: '' } },
    { runtimeConfig: { mac: '', ips: [], infinibandGUID: '', deviceID: '' } },
    { ipam: {}, dns: {}, bridge: '', vlan: 0, isGateway: false, master: null, delegates: [] },
  ].map((conf) => [`zero is absent: ${JSON.stringify(conf)}`, conf, {}] as const),
  ['a secondary network', { Network: 'secondary' }, { network: 'secondary' }],
  ['root is an owner, not an absent one', { owner: 0, group: 0 }, { owner: 0, group: 0 }],
  [
    'every key',
    {
      binding: 'tap',
      podLink: 'ens5',
      mtu: 1400,
      owner: 'none',
      group: 0,
      multiQueue: true,
      selinuxContext: 'system_u:system_r:container_t:s0:c1,c2',
      guestAddresses: 'pod',
      spoofGuard: 'addresses',
    },
    {
      podLink: 'ens5',
      mtu: 1400,
      owner: null,
      group: 0,
      multiQueue: true,
      selinuxContext: 'system_u:system_r:container_t:s0:c1,c2',
      guestAddresses: 'pod',
      spoofGuard: 'addresses',
    },
  ],
  ['the values that are defaults', { guestAddresses: 'network', spoofGuard: 'off' }, {}],
  ['a guard without guest services', { spoofGuard: 'mac' }, { spoofGuard: 'mac' }],
  ['guest services without a guard', { guestAddresses: 'pod' }, { guestAddresses: 'pod' }],
  ["KubeVirt's network name", { args: { cni: { logicNetworkName: 'red' } } }, { logicNetworkName: 'red' }],
  ['args of others', { args: { cni: { ips: ['10.0.0.1'] } } }, {}],
  [
    'the result of the plugin before',
    { prevResult },
    { prevResult: { source: prevResult, interfaces: [], ips: [] } },
  ],
  [
    'keys in other letter case, as Go reads them',
    { MTU: 1400, MultiQueue: true, Args: { CNI: { LogicNetworkName: 'red' } } },
    { mtu: 1400, multiQueue: true, logicNetworkName: 'red' },
  ],
  ['the exact key takes precedence', { MTU: 1400, mtu: 1300 }, { mtu: 1300 }],
  [
    'unknown keys',
    { mut: 1400, ipam: { type: 'static' }, Bridge: 'br0' },
    { unknownKeys: ['mut', 'ipam', 'Bridge'] },
  ],
  [
    'a MAC by capability, first',
    { runtimeConfig: { mac: '02:00:00:00:00:0A' }, args: { cni: { mac: '02:00:00:00:00:0b' } } },
    { mac: '02:00:00:00:00:0a' },
  ],
  ['a MAC by cni-args', { args: { cni: { mac: '02:00:00:00:00:0b' } } }, { mac: '02:00:00:00:00:0b' }],
  [
    'a MAC by cni-args, with none by capability',
    { runtimeConfig: { mac: '' }, args: { cni: { mac: '02-00-00-00-00-0B' } } },
    { mac: '02:00:00:00:00:0b' },
  ],
  [
    'a MAC in groups of four digits',
    { runtimeConfig: { mac: '0200.0000.000B' } },
    { mac: '02:00:00:00:00:0b' },
  ],
] as const) {
  test(why, () => {
    assert.equal(decodeNetConf({ ...BASE, ...conf }), { ...DEFAULTS, ...want });
  });
}

const PASST_DEFAULTS = {
  ...BASE,
  binding: 'passt',
  group: 107,
  logicNetworkName: null,
  mac: null,
  prevResult: null,
  unknownKeys: [],
};
for (const [why, conf, want] of [
  ['only the required keys', {}, {}],
  ['null is absent', { mtu: null, owner: null, podLink: null, group: null }, {}],
  [
    'zero is absent',
    { mtu: 0, owner: '', podLink: '', network: '', group: '', multiQueue: false, selinuxContext: '' },
    {},
  ],
  ['zero is absent, also for what only a tap has', { guestAddresses: '', spoofGuard: '' }, {}],
  ['a group', { group: 0 }, { group: 0 }],
  ['the last group that may ping', { group: 2 ** 31 - 1 }, { group: 2 ** 31 - 1 }],
  ['every group', { group: 'none' }, { group: null }],
  ["KubeVirt's network name", { args: { cni: { logicNetworkName: 'red' } } }, { logicNetworkName: 'red' }],
  ['unknown keys', { mut: 1400 }, { unknownKeys: ['mut'] }],
  [
    'misspelt keys that begin like a known key',
    { typeX: 'tapwire', prevResults: { a: 1 }, disableChecks: true, 'cni.dev/attachments': [1] },
    { unknownKeys: ['typeX', 'prevResults', 'disableChecks'] },
  ],
] as const) {
  test(`passt: ${why}`, () => {
    assert.equal(decodeNetConf({ ...BASE, binding: 'passt', ...conf }), { ...PASST_DEFAULTS, ...want });
  });
}

const LINK =
  'want the name of a pod link (1..15 printable ASCII characters, no "/" or ":", not ., .., lo, all, default)';
const ID = 'want an integer in 0..4294967294 or "none"';
const TAP_ALONE = 'want no such key with binding "passt", which creates no tap and changes no link';
const KNOWN_ADDRESSES =
  'want "mac", or "guestAddresses": "pod" with it, because Tapwire does not know which addresses the network gives the guest';
for (const [conf, message] of [
  [{ mtu: 67 }, 'Cannot read $.mtu: want an integer in 68..65535, got 67'],
  [{ mtu: 65536 }, 'Cannot read $.mtu: want an integer in 68..65535, got 65536'],
  [{ mtu: -1 }, 'Cannot read $.mtu: want an integer in 68..65535, got -1'],
  [{ mtu: '' }, 'Cannot read $.mtu: want an integer in 68..65535, got ""'],
  [{ mtu: '1500' }, 'Cannot read $.mtu: want an integer in 68..65535, got "1500"'],
  [{ mtu: 1500.5 }, 'Cannot read $.mtu: want an integer in 68..65535, got 1500.5'],
  [{ owner: -1 }, `Cannot read $.owner: ${ID}, got -1`],
  [{ group: 2 ** 32 }, `Cannot read $.group: ${ID}, got 4294967296`],
  [{ owner: 'qemu' }, `Cannot read $.owner: ${ID}, got "qemu"`],
  [{ podLink: '../..' }, `Cannot read $.podLink: ${LINK}, got "../.."`],
  [{ podLink: 'lo' }, `Cannot read $.podLink: ${LINK}, got "lo"`],
  [{ podLink: 'all' }, `Cannot read $.podLink: ${LINK}, got "all"`],
  [{ podLink: 'sixteen-bytes-ab' }, `Cannot read $.podLink: ${LINK}, got "sixteen-bytes-ab"`],
  [{ podLink: 'äääääääá' }, `Cannot read $.podLink: ${LINK}, got "äääääääá"`],
  [{ multiQueue: 1 }, 'Cannot read $.multiQueue: want true or false, got 1'],
  [{ binding: 'bridge' }, 'Cannot read $.binding: want "tap" or "macvtap" or "passt", got "bridge"'],
  [{ binding: 'passt', mtu: 1400 }, `Cannot read $.mtu: ${TAP_ALONE}, got 1400`],
  [{ network: 'primary' }, 'Cannot read $.network: want "secondary", got "primary"'],
  [
    { network: 'secondary', podLink: 'ens5' },
    'Cannot read $.podLink: want no such key with "network": "secondary", because it selects the primary link, got "ens5"',
  ],
  [{ binding: 'passt', network: 'secondary' }, `Cannot read $.network: ${TAP_ALONE}, got "secondary"`],
  [{ binding: 'passt', MTU: 1400 }, `Cannot read $.MTU: ${TAP_ALONE}, got 1400`],
  [{ binding: 'passt', multiQueue: true }, `Cannot read $.multiQueue: ${TAP_ALONE}, got true`],
  [{ binding: 'passt', podLink: 'eth0' }, `Cannot read $.podLink: ${TAP_ALONE}, got "eth0"`],
  [{ binding: 'passt', selinuxContext: 'a:b:c' }, `Cannot read $.selinuxContext: ${TAP_ALONE}, got "a:b:c"`],
  [{ guestAddresses: 'dhcp' }, 'Cannot read $.guestAddresses: want "network" or "pod", got "dhcp"'],
  [{ guestAddresses: true }, 'Cannot read $.guestAddresses: want "network" or "pod", got true'],
  [{ spoofGuard: 'on' }, 'Cannot read $.spoofGuard: want "off" or "mac" or "addresses", got "on"'],
  [{ SpoofGuard: 1 }, 'Cannot read $.SpoofGuard: want "off" or "mac" or "addresses", got 1'],
  ...[{}, { guestAddresses: 'network' }].map(
    (keys) =>
      [
        { ...keys, spoofGuard: 'addresses' },
        `Cannot read $.spoofGuard: ${KNOWN_ADDRESSES}, got "addresses"`,
      ] as const,
  ),
  [
    { binding: 'passt', guestAddresses: 'network' },
    `Cannot read $.guestAddresses: ${TAP_ALONE}, got "network"`,
  ],
  [{ binding: 'passt', spoofGuard: 'off' }, `Cannot read $.spoofGuard: ${TAP_ALONE}, got "off"`],
  [{ binding: 'passt', owner: 0 }, `Cannot read $.owner: ${TAP_ALONE}, got 0`],
  [{ binding: 'passt', owner: 107 }, `Cannot read $.owner: ${TAP_ALONE}, got 107`],
  [
    { binding: 'passt', group: 2 ** 31 },
    'Cannot read $.group: want an integer in 0..2147483647 or "none", got 2147483648',
  ],
  [
    { selinuxContext: 'x;y' },
    'Cannot read $.selinuxContext: want an SELinux context such as "system_u:system_r:container_t:s0", got "x;y"',
  ],
  [{ MTU: 1 }, 'Cannot read $.MTU: want an integer in 68..65535, got 1'],
  [{ deviceID: 7 }, 'Cannot read $.deviceID: want a string, got 7'],
  [{ pciBusID: 'a b' }, 'Cannot read $.pciBusID: want a device id, got "a b"'],
  [
    { runtimeConfig: { mac: '01:00:5e:00:00:01' } },
    'Cannot read $.runtimeConfig.mac: want a unicast MAC address such as "02:00:00:00:00:01", got "01:00:5e:00:00:01"',
  ],
  [
    { args: { cni: { ips: ['x'] } } },
    'Cannot read $.args.cni.ips[0]: want an IP address, with or without its prefix length, got "x"',
  ],
  [{ args: [] }, 'Cannot read $.args: want an object, got []'],
  [
    { args: { cni: { logicNetworkName: 'a/b' } } },
    'Cannot read $.args.cni.logicNetworkName: want the name of a VMI network ([A-Za-z0-9_-]+), got "a/b"',
  ],
  [{ prevResult: 'x'.repeat(100) }, `Cannot read $.prevResult: want an object, got "${'x'.repeat(76)}...`],
] as const) {
  test(`rejects ${JSON.stringify(conf).slice(0, 60)}`, async () => {
    const error = await caught(() => decodeNetConf({ ...BASE, ...conf }));
    assert.equal([error.code, error.message], ['INVALID_CONFIG', message]);
  });
}

test('reads own properties only', () => {
  const hostile = Object.assign(Object.create({ mtu: 1400 }), BASE);
  assert.equal(decodeNetConf(hostile), DEFAULTS);
});

test('accepts the bounds of numbers, names and contexts', () => {
  const selinuxContext = `a:b:${'c'.repeat(252)}`;
  const conf = { ...BASE, mtu: 68, owner: 0, group: 2 ** 32 - 2, podLink: 'fifteen-bytes-a', selinuxContext };
  assert.equal(decodeNetConf(conf), { ...DEFAULTS, ...conf });
  assert.equal(decodeNetConf({ ...conf, mtu: 65535 }), { ...DEFAULTS, ...conf, mtu: 65535 });
});

for (const [key, value] of [
  ['owner', 2 ** 32 - 1],
  ['podLink', '.'],
  ['podLink', '..'],
  ['podLink', 'default'],
  ['podLink', 'a\u2003b'],
  ['selinuxContext', `a:b:${'c'.repeat(253)}`],
] as const) {
  test(`rejects ${key} just beyond: ${JSON.stringify(value).slice(0, 30)}`, async () => {
    const error = await caught(() => decodeNetConf({ ...BASE, [key]: value }));
    assert.match(error.message, new RegExp(`^Cannot read \\$\\.${key}: want `));
  });
}

test('limits the length of the warning about unknown keys', () => {
  const keys = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`${i}${'x'.repeat(1000)}`, 1]));
  const { unknownKeys } = decodeNetConf({ ...BASE, ...keys });
  assert.equal([unknownKeys.length, Math.max(...unknownKeys.map((key) => key.length))], [20, 64]);
});

test.run();
