import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { placeOf } from '../../../../../cni/bindings/macvtap/lower.ts';
import { decodeNodePolicy } from '../../../../../cni/policy/node-policy.ts';
import { ifindexWithoutDevice } from '../../../../../shared/kubelet/device-id.ts';
import { caught } from '../../../../helpers/caught.ts';
import { KEY, macvtapConf, VM_LAN } from '../../../../helpers/pod/seen.ts';

const test = suite('placeOf()');

const { macvtap: POLICY } = decodeNodePolicy(
  {
    macvtap: {
      resources: [
        { name: 'other', lowerDevice: 'uplink1' },
        { name: 'vm-lan', lowerDevice: 'uplink0', mode: 'private', allmulticast: false },
      ],
      masters: [{ lowerDevice: 'uplink2' }, { lowerDevice: 'uplink0', mode: 'vepa', promisc: true }],
    },
  },
  '$',
);
const { macvtap: EMPTY } = decodeNodePolicy({}, '$');
const FILE = '/etc/tapwire/node.json on this node';
const ID = `vm-lan-${VM_LAN + 99}`;
const place = (keys: Readonly<Record<string, unknown>>, policy = POLICY) =>
  placeOf(KEY, macvtapConf(keys), policy);

test('a device has the entry of its resource, and the index in its id', () =>
  assert.equal(place({ deviceID: ID }), {
    entry: POLICY.resources[1],
    path: '$.macvtap.resources[1]',
    ifindex: VM_LAN + 99,
  }));

test('a device keeps its place after the capacity of its resource was reduced', () =>
  assert.is(place({ deviceID: `vm-lan-${VM_LAN + 1023}` }).ifindex, VM_LAN + 1023));

test('a device may be given together with the lower device of its resource', () =>
  assert.is(place({ deviceID: ID, master: 'uplink0' }).entry, POLICY.resources[1]));

test('a master without a device has its own entry, and an index of the attachment', () =>
  assert.equal(place({ master: 'uplink0' }), {
    entry: POLICY.masters[1],
    path: '$.macvtap.masters[1]',
    ifindex: ifindexWithoutDevice(KEY.containerId, KEY.ifname),
  }));

test('promiscMode is accepted if the entry has it', () =>
  assert.is(place({ master: 'uplink0', promiscMode: true }).entry.promisc, true));

const ADD = 'Cannot add macvtap "net1": ';
for (const [why, keys, policy, code, message] of [
  [
    'a resource that this node does not have',
    { deviceID: ID },
    EMPTY,
    'NOT_ALLOWED',
    `Cannot use device "${ID}": $.macvtap.resources of ${FILE}`.replace(
      ' on this node',
      ' on this node has no "vm-lan"',
    ),
  ],
  [
    'a device with the master of another resource',
    { deviceID: ID, master: 'uplink1' },
    POLICY,
    'INVALID_CONFIG',
    'Cannot read $.master: want "uplink0", the lower device of "tapwire.io/vm-lan", or no such key, got "uplink1"',
  ],
  [
    'a device with a master that is allowed, but not the lower device of the resource',
    { deviceID: ID, master: 'uplink2' },
    POLICY,
    'INVALID_CONFIG',
    'Cannot read $.master: want "uplink0", the lower device of "tapwire.io/vm-lan", or no such key, got "uplink2"',
  ],
  [
    'a master that only a resource has',
    { master: 'uplink1' },
    POLICY,
    'NOT_ALLOWED',
    `${ADD}$.macvtap.masters of ${FILE} does not list "uplink1"`,
  ],
  [
    'a master without a node policy file',
    { master: 'uplink0' },
    EMPTY,
    'NOT_ALLOWED',
    `${ADD}$.macvtap.masters of ${FILE} does not list "uplink0"`,
  ],
  [
    'promiscuous mode that the resource does not have',
    { deviceID: ID, promiscMode: true },
    POLICY,
    'NOT_ALLOWED',
    `${ADD}$.promiscMode is true, but $.macvtap.resources[1] of ${FILE} does not allow it`,
  ],
  [
    'promiscuous mode that the master does not have',
    { master: 'uplink2', promiscMode: true },
    POLICY,
    'NOT_ALLOWED',
    `${ADD}$.promiscMode is true, but $.macvtap.masters[0] of ${FILE} does not allow it`,
  ],
] as const) {
  test(`rejects ${why}`, async () => {
    const error = await caught(() => place(keys, policy));
    assert.equal([error.code, error.message], [code, message]);
  });
}

test('neither device nor master: the error says who should have requested the device', async () => {
  for (const keys of [{}, { deviceID: '' }, { deviceID: '', runtimeConfig: { deviceID: '' } }]) {
    const { code, message } = await caught(() => place(keys));
    assert.is(code, 'INVALID_CONFIG');
    for (const word of [
      '$.deviceID',
      'resourceName',
      'network-resources-injector',
      'ExternalNetResourceInjection',
    ])
      assert.ok(message.includes(word), word);
  }
});

test.run();
