import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { macvtapBinding } from '../../../../../cni/bindings/macvtap/macvtap.ts';
import type { Kernel } from '../../../../../cni/kernel/kernel.ts';
import { decodeNodePolicy } from '../../../../../cni/policy/node-policy.ts';
import { BindingError } from '../../../../../shared/errors.ts';
import type { PodDevices } from '../../../../../shared/kubelet/pod-devices.ts';
import type { Link } from '../../../../../shared/rtnetlink/link.ts';
import { caught } from '../../../../helpers/caught.ts';
import {
  BARE,
  ETH0,
  KEY,
  LO,
  linkOf,
  MACVTAP,
  macvtapConf,
  macvtapOf,
  tapOf,
  VM_LAN,
} from '../../../../helpers/pod/seen.ts';

const test = suite('macvtapBinding()');

type Keys = Readonly<Record<string, unknown>>;

const ID = `vm-lan-${VM_LAN}`;
const policy = decodeNodePolicy(
  {
    macvtap: {
      resources: [{ name: 'vm-lan', lowerDevice: 'uplink0' }],
      masters: [{ lowerDevice: 'uplink0' }],
      kubeletDirectory: '/var/lib/k0s/kubelet',
    },
  },
  '$',
);
const UPLINK = linkOf(17, 'uplink0');
const GIVEN = [{ resource: 'tapwire.io/vm-lan', ids: ['vm-lan-1', ID] }];
const VM = { namespace: 'vms', name: 'virt-launcher-vm1-abcde' };
const NUMBER = { major: 246, minor: 5 };
const NODE = { number: NUMBER, owner: 107, group: 107, mode: 0o600 };

/** A kernel that only shows these links, and fails if it is asked to change anything. */
function kernelWith(links: readonly Link[] = [LO, ETH0], lower: Link | null = UPLINK) {
  const asked: unknown[] = [];
  const kernel = {
    observe: async () => ({ ...BARE, links }),
    async readLower(...question: unknown[]) {
      asked.push(question);
      return lower && { link: lower, use: null };
    },
    readDeviceNode: async () => ({ number: NUMBER, node: NODE }),
  };
  return { kernel: kernel as unknown as Kernel, asked };
}

async function plan(
  keys: Keys,
  {
    kernel = kernelWith().kernel,
    given = GIVEN as readonly PodDevices[],
    pod = VM as typeof VM | NoPod,
    version = '1.1.0' as '1.1.0' | '0.4.0',
    key = KEY,
  } = {},
) {
  const asked: unknown[] = [];
  const devicesOf = async (...question: unknown[]) => {
    asked.push(question);
    return given;
  };
  const request = { key, netns: '/run/netns/x', version, pod };
  const planned = await macvtapBinding(macvtapConf(keys)).plan(kernel, request, { policy, devicesOf });
  return { ...planned, asked };
}
type NoPod = { namespace: string | null; name: string | null };

const rejection = async (...given: Parameters<typeof plan>) => {
  const { code, message } = await caught(() => plan(...given));
  return [code, message];
};

test('the result has one interface in the sandbox, with its MAC and MTU', async () => {
  const mac = '02:00:00:00:00:0a';
  const interfaces = [{ name: 'net1', mac, mtu: 1500, sandbox: '/run/netns/x' }];
  const { result, levels, warnings } = await plan({ deviceID: ID, mac });
  assert.equal(result, { cniVersion: '1.1.0', interfaces });
  assert.equal(levels.length, 5);
  assert.equal(warnings, []);
  const before1 = await plan({ deviceID: ID, mac, mtu: 1400 }, { version: '0.4.0' });
  assert.equal(before1.result, {
    cniVersion: '0.4.0',
    interfaces: [{ name: 'net1', mac, sandbox: '/run/netns/x' }],
    dns: {},
  });
});

test('kubelet is asked at the directory of the node policy file, and only about a device', async () => {
  assert.equal((await plan({ deviceID: ID })).asked, [[VM, '/var/lib/k0s/kubelet']]);
  assert.equal((await plan({ master: 'uplink0' })).asked, []);
});

test('the node is asked about its use of the device only in mode "passthru"', async () => {
  const { kernel, asked } = kernelWith();
  await plan({ deviceID: ID }, { kernel });
  assert.equal(asked, [['uplink0', false]]);
});

test('a second ADD has the same result and only verifies the device node', async () => {
  const seen = macvtapOf();
  const { kernel } = kernelWith([LO, ETH0, seen]);
  const keys = { deviceID: ID, mac: MACVTAP.mac };
  const { levels, result } = await plan(keys, { kernel });
  assert.equal(
    levels.flat().map((step) => step.do.op),
    ['claimDeviceNode'],
  );
  assert.equal(result, (await plan(keys)).result);
});

test('two macvtaps of a pod do not see each other, nor a tap', async () => {
  const other = macvtapOf({ ifindex: VM_LAN + 1 }, { ...MACVTAP, key: { ...KEY, ifname: 'net2' } });
  const { kernel } = kernelWith([LO, ETH0, other, tapOf()]);
  assert.is((await plan({ deviceID: ID }, { kernel })).levels.length, 5);
});

const NOT_GIVEN = `Cannot add macvtap "net1" with device "${ID}": kubelet did not give it to pod "vms/virt-launcher-vm1-abcde"; leave $.deviceID to Multus, and let the annotation k8s.v1.cni.cncf.io/resourceName name "tapwire.io/vm-lan"`;
for (const [why, given] of [
  ['no device', []],
  ['another device', [{ resource: 'tapwire.io/vm-lan', ids: [`vm-lan-${VM_LAN + 1}`] }]],
  ['a device of another resource with the same id', [{ resource: 'example.org/vm-lan', ids: [ID] }]],
  ['a device whose id begins alike', [{ resource: 'tapwire.io/vm-lan', ids: [`${ID}0`] }]],
] as const) {
  test(`a device of another pod is rejected: kubelet gave this one ${why}`, async () =>
    assert.equal(await rejection({ deviceID: ID }, { given }), ['NOT_ALLOWED', NOT_GIVEN]));
}

for (const pod of [
  { namespace: null, name: 'vm1' },
  { namespace: 'vms', name: null },
]) {
  test(`a device is rejected if the runtime does not name the pod: ${JSON.stringify(pod)}`, async () =>
    assert.equal(await rejection({ deviceID: ID }, { pod }), [
      'NOT_ALLOWED',
      `Cannot add macvtap "net1" with device "${ID}": the runtime did not name the pod in CNI_ARGS`,
    ]));
}

test('the error of kubelet is that of ADD', async () => {
  const error = new BindingError('TRY_AGAIN', 'Cannot ask kubelet');
  const devicesOf = async () => Promise.reject(error);
  const request = { key: KEY, netns: '/run/netns/x', version: '1.1.0', pod: VM } as const;
  const { plan } = macvtapBinding(macvtapConf({ deviceID: ID }));
  assert.is(await caught(() => plan(kernelWith().kernel, request, { policy, devicesOf })), error);
});

const FIRST =
  'Cannot add macvtap "net1": a plugin before it has made that link; let Tapwire be the first plugin of the network';
for (const [why, keys, message] of [
  [
    "a NAD of KubeVirt's CR",
    { args: { cni: { logicNetworkName: 'default' } } },
    'Cannot add macvtap "net1" for network "default": a NetworkAttachmentDefinition with binding "macvtap" is a network of its own: ' +
      "name it in the VM's networks, not in the KubeVirt CR's network.binding",
  ],
  [
    'a plugin that made the link',
    { prevResult: { cniVersion: '1.0.0', interfaces: [{ name: 'net1' }] } },
    FIRST,
  ],
] as const) {
  test(`rejects ${why}`, async () =>
    assert.equal(await rejection({ deviceID: ID, ...keys }), ['INVALID_CONFIG', message]));
}

test('the result keeps that of the plugins before, and the new interface comes last', async () => {
  const other = { name: 'net7', sandbox: '/run/netns/x' };
  const ips = [{ address: '192.0.2.1/24', interface: 0 }];
  const dns = { nameservers: ['192.0.2.53'] };
  const prevResult = { cniVersion: '1.0.0', interfaces: [other], ips, dns };
  const keys = { deviceID: ID, mac: MACVTAP.mac };
  const { result } = await plan({ ...keys, prevResult });
  const own = { name: 'net1', mac: MACVTAP.mac, mtu: 1500, sandbox: '/run/netns/x' };
  assert.equal(result, { cniVersion: '1.1.0', interfaces: [other, own], ips, dns });
  for (const interfaces of [null, []]) {
    const empty = { cniVersion: '1.0.0', interfaces };
    assert.equal((await plan({ ...keys, prevResult: empty })).result['interfaces'], [own]);
  }
});

test('a name with a meaning for the kernel is rejected before anything else', async () => {
  const [code] = await rejection({}, { key: { ...KEY, ifname: 'net%d' } });
  assert.is(code, 'INVALID_ENVIRONMENT');
});

const check = (links: readonly Link[]) =>
  macvtapBinding(macvtapConf({ deviceID: ID })).check(
    kernelWith(links).kernel,
    { key: KEY, netns: '/run/netns/x', version: '1.1.0', pod: VM },
    { source: {}, interfaces: [], ips: [] },
  );

test('CHECK accepts what ADD left', async () => assert.equal(await check([LO, ETH0, macvtapOf()]), []));

for (const [why, links, message] of [
  ['a link that is gone', [LO, ETH0], 'it is gone'],
  ['a renamed link', [macvtapOf({ ifname: 'net9' })], 'it is gone'],
  [
    'a link without its alias',
    [macvtapOf({ ifalias: null })],
    'that name is taken by a macvtap link that Tapwire did not make',
  ],
  ['a link that is down', [macvtapOf({ flags: 0x200 })], 'macvtap "net1" is down'],
] as const) {
  test(`CHECK rejects ${why}`, async () => {
    const error = await caught(() => check(links));
    assert.equal([error.code, error.message], ['WIRING_BROKEN', `Cannot confirm macvtap "net1": ${message}`]);
  });
}

test.run();
