import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeNetConf, KEYS_OF_BINDING } from '../../../../cni/request/config.ts';
import { deviceNodeOf, masterOf } from '../../../../cni/request/macvtap-config.ts';
import { ifindexWithoutDevice } from '../../../../shared/kubelet/device-id.ts';
import { caught } from '../../../helpers/caught.ts';
import { KEY, VM_LAN } from '../../../helpers/pod/seen.ts';

const test = suite('the configuration with binding "macvtap"');

const BASE = { cniVersion: '1.0.0', name: 'vm-lan', binding: 'macvtap' };
const DEFAULTS = {
  ...BASE,
  ...{ logicNetworkName: null, mac: null, prevResult: null, unknownKeys: [], device: null },
  ...{ master: null, mtu: null, staticMac: null, queues: 1, owner: 107, group: 107, promiscMode: false },
};
const ID = `vm-lan-${VM_LAN + 3}`;
const DEVICE = { id: ID, resource: 'vm-lan', ifindex: VM_LAN + 3 };
const OTHER_ID = `vm-lan-${VM_LAN}`;

for (const [why, conf, want] of [
  ['only the required keys', {}, {}],
  [
    'every key',
    {
      ...{ master: 'bond0.100', mtu: 9000, mac: '02-00-00-00-00-0A', queues: 4 },
      ...{ owner: 0, group: 2 ** 32 - 2, promiscMode: true, deviceID: ID },
    },
    {
      ...{ master: 'bond0.100', mtu: 9000, staticMac: '02:00:00:00:00:0a', queues: 4 },
      ...{ owner: 0, group: 2 ** 32 - 2, promiscMode: true, device: DEVICE },
    },
  ],
  ...[
    { master: '', mtu: 0, mac: '', queues: 0, owner: '', group: '', promiscMode: false, deviceID: '' },
    { master: null, mtu: null, mac: null, queues: null, owner: null, promiscMode: null, deviceID: null },
    { podLink: '', network: '', multiQueue: false, selinuxContext: '', mode: '', lowerDevice: '' },
    { guestAddresses: '', spoofGuard: '' },
    { runtimeConfig: { deviceID: '' }, pciBusID: '' },
    { ipam: {}, dns: {} },
  ].map((conf) => [`zero is absent, as Go writes it: ${JSON.stringify(conf)}`, conf, {}] as const),
  [
    'keys in other letter case, as Go reads them',
    { Master: 'uplink0', MTU: 1400, MAC: '02:00:00:00:00:01', PromiscMode: true, DeviceID: ID },
    { master: 'uplink0', mtu: 1400, staticMac: '02:00:00:00:00:01', promiscMode: true, device: DEVICE },
  ],
  ['the bounds of numbers', { mtu: 68, queues: 256 }, { mtu: 68, queues: 256 }],
  ['the device by capability', { runtimeConfig: { deviceID: ID } }, { device: DEVICE }],
  [
    'the device by capability, first',
    { deviceID: OTHER_ID, runtimeConfig: { deviceID: ID } },
    { device: DEVICE },
  ],
  ['the device without capability', { deviceID: ID, runtimeConfig: { deviceID: '' } }, { device: DEVICE }],
  [
    "a MAC of the pod's beside that of the NAD",
    { mac: '02:00:00:00:00:0a', runtimeConfig: { mac: '02:00:00:00:00:0b' } },
    { staticMac: '02:00:00:00:00:0a', mac: '02:00:00:00:00:0b' },
  ],
  [
    'unknown keys, but none of those that macvtap-cni knows',
    { mut: 1400, type: 'tapwire', promiscMode: true, deviceID: ID, mtu: 1400 },
    { unknownKeys: ['mut'], promiscMode: true, device: DEVICE, mtu: 1400 },
  ],
] as const) {
  test(`decodeNetConf() reads ${why}`, () =>
    assert.equal(decodeNetConf({ ...BASE, ...conf }), { ...DEFAULTS, ...want }));
}

const NO_KEY = 'want no such key with binding "macvtap", ';
const MAC = 'want a unicast MAC address such as "02:00:00:00:00:01", got ';
const DEVICE_OF_OURS = "want the id of a device of Tapwire's resources, got ";
const LINK = 'want the name of a link of the node ';
for (const [conf, message] of [
  [{ master: 7 }, '$.master: want a string, got 7'],
  [{ master: 'lo' }, `$.master: ${LINK}(lo is not a device of a network), got "lo"`],
  [{ master: '..' }, `$.master: ${LINK}(interface name is . or ..), got ".."`],
  [{ master: 'sixteen-letters-' }, `$.master: ${LINK}(interface name is too long), got "sixteen-letters-"`],
  [{ master: 'eth0\0x' }, `$.master: ${LINK}(interface name contains NUL), got "eth0\\u0000x"`],
  [{ mtu: 67 }, '$.mtu: want an integer in 68..65535, got 67'],
  [{ mtu: 65536 }, '$.mtu: want an integer in 68..65535, got 65536'],
  [{ MTU: '1500' }, '$.MTU: want an integer in 68..65535, got "1500"'],
  [{ mac: '01:00:5e:00:00:01' }, `$.mac: ${MAC}"01:00:5e:00:00:01"`],
  [{ mac: '00:00:00:00:00:00' }, `$.mac: ${MAC}"00:00:00:00:00:00"`],
  [{ mac: 'x' }, `$.mac: ${MAC}"x"`],
  [{ queues: 257 }, '$.queues: want an integer in 1..256, got 257'],
  [{ queues: -1 }, '$.queues: want an integer in 1..256, got -1'],
  [{ queues: 1.5 }, '$.queues: want an integer in 1..256, got 1.5'],
  [{ owner: 'none' }, '$.owner: want an integer, because a device node always has an owner, got "none"'],
  [{ group: 'none' }, '$.group: want an integer, because a device node always has an owner, got "none"'],
  [{ owner: 2 ** 32 - 1 }, '$.owner: want an integer in 0..4294967294, got 4294967295'],
  [{ group: -1 }, '$.group: want an integer in 0..4294967294, got -1'],
  [{ promiscMode: 1 }, '$.promiscMode: want true or false, got 1'],
  [{ podLink: 'eth0' }, `$.podLink: ${NO_KEY}which makes the pod link itself, got "eth0"`],
  [
    { network: 'secondary' },
    `$.network: ${NO_KEY}which never takes the link of another network, got "secondary"`,
  ],
  [{ multiQueue: true }, `$.multiQueue: ${NO_KEY}whose number of queues is $.queues, got true`],
  [
    { selinuxContext: 'a:b:c' },
    `$.selinuxContext: ${NO_KEY}whose device node gets its label from the container runtime, got "a:b:c"`,
  ],
  [{ guestAddresses: 'pod' }, `$.guestAddresses: ${NO_KEY}whose frames Tapwire does not see, got "pod"`],
  [{ spoofGuard: 'mac' }, `$.spoofGuard: ${NO_KEY}whose frames Tapwire does not see, got "mac"`],
  [
    { mode: 'passthru' },
    `$.mode: ${NO_KEY}whose mode is that of the entry in the node policy file, got "passthru"`,
  ],
  [
    { lowerDevice: 'eth0' },
    `$.lowerDevice: ${NO_KEY}whose lower device is that of the resource; without a device plugin, it is $.master, got "eth0"`,
  ],
  [{ deviceID: 7 }, '$.deviceID: want a string, got 7'],
  [{ deviceID: 'dataplaneMvp0' }, `$.deviceID: ${DEVICE_OF_OURS}"dataplaneMvp0"`],
  [{ deviceID: 'vm-lan-0000000007' }, `$.deviceID: ${DEVICE_OF_OURS}"vm-lan-0000000007"`],
  [{ deviceID: `other-${VM_LAN}` }, `$.deviceID: ${DEVICE_OF_OURS}"other-${VM_LAN}"`],
  [
    { deviceID: ID, runtimeConfig: { deviceID: '0000:03:02.0' } },
    `$.runtimeConfig.deviceID: ${DEVICE_OF_OURS}"0000:03:02.0"`,
  ],
] as const) {
  test(`decodeNetConf() rejects ${JSON.stringify(conf)}`, async () => {
    const { code, message: said } = await caught(() => decodeNetConf({ ...BASE, ...conf }));
    assert.equal([code, said], ['INVALID_CONFIG', `Cannot read ${message}`]);
  });
}

test('decodeNetConf() reads own properties only', () => {
  const hostile = Object.assign(Object.create({ master: 'eth0', deviceID: ID }), BASE);
  assert.equal(decodeNetConf(hostile), DEFAULTS);
  const parsed = JSON.parse(`{"__proto__": {"master": "eth0", "deviceID": "${ID}"}}`);
  assert.equal(decodeNetConf({ ...parsed, ...BASE }), { ...DEFAULTS, unknownKeys: ['__proto__'] });
});

test('the other bindings still ignore the keys of macvtap', () => {
  for (const binding of ['tap', 'passt']) {
    const { unknownKeys } = decodeNetConf({ ...BASE, binding, master: 'eth0', queues: 4, deviceID: 'x' });
    assert.equal(unknownKeys, ['master', 'queues'], binding);
  }
});

const WITHOUT_DEVICE = ifindexWithoutDevice(KEY.containerId, KEY.ifname);
for (const [conf, want] of [
  [{ binding: 'macvtap', deviceID: ID }, VM_LAN + 3],
  [{ Binding: 'macvtap', DeviceID: ID }, VM_LAN + 3],
  [{ binding: 'macvtap', runtimeConfig: { deviceID: ID } }, VM_LAN + 3],
  [{ binding: 'macvtap', master: 'eth0' }, WITHOUT_DEVICE],
  [{ binding: 'macvtap' }, WITHOUT_DEVICE],
  [{ binding: 'macvtap', deviceID: 'foreign' }, null],
  [{ binding: 'macvtap', deviceID: `vm-lan-${VM_LAN + 1024}` }, null],
  [{ binding: 'macvtap', deviceID: '/dev/sda' }, null],
  [{ binding: 'macvtap', deviceID: {} }, null],
  [{ binding: 'macvtap', runtimeConfig: [] }, null],
  [{ binding: 'tap', deviceID: ID }, null],
  [{ deviceID: ID }, null],
  [{ binding: 7, deviceID: ID }, null],
  [{}, null],
  [[], null],
  [null, null],
  ['macvtap', null],
] as const) {
  test(`DEL finds the device node of ${JSON.stringify(conf)}`, () =>
    assert.is(deviceNodeOf(conf, KEY), want));
}

for (const [conf, want] of [
  [{ binding: 'macvtap', master: 'uplink0' }, 'uplink0'],
  [{ BINDING: 'macvtap', Master: 'uplink0' }, 'uplink0'],
  [{ binding: 'macvtap' }, null],
  [{ binding: 'macvtap', master: '../x' }, null],
  [{ binding: 'macvtap', master: 'uplink0', mtu: 'x' }, null],
  [{ binding: 'tap', master: 'uplink0' }, null],
  [null, null],
] as const) {
  test(`STATUS asks for the lower device of ${JSON.stringify(conf)}`, () => assert.is(masterOf(conf), want));
}

for (const key of new Set([...KEYS_OF_BINDING.tap, ...KEYS_OF_BINDING.passt])) {
  test(`accepts or rejects $.${key} of another binding, and does not ignore it`, async () => {
    const { message } = await caught(() => decodeNetConf({ ...BASE, [key]: [] }));
    assert.ok(message.startsWith(`Cannot read $.${key}: want `), message);
  });
}

test.run();
