import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { decodeNetConf } from '../../../../cni/request/config.ts';
import { deviceIdsOf } from '../../../../shared/kubelet/device-id.ts';
import { findingsOf as allFindingsOf, kubevirt, nad } from '../../../helpers/cluster/check.ts';
import {
  ASKED,
  asking,
  findingsOf,
  LAN,
  MACVTAP,
  onLan,
  REGISTERED,
  SUBJECT,
} from '../../../helpers/cluster/macvtap.ts';

const test = suite('tapwire check: NADs of macvtaps');

const inNad = (severity: string, reason: string) => `5 ${severity}: ${SUBJECT}: ${reason}`;

for (const [why, conf] of [
  ['a resource', {}],
  ['every key', { mtu: 9000, mac: '02:00:00:00:00:01', queues: 2, owner: 0, group: 107 }],
  ['the lower device of the resource', { master: 'bond0' }],
] as const) {
  test(`accepts a NAD with ${why}`, () => {
    assert.equal(findingsOf(asking(nad('lan', { ...MACVTAP, ...conf }, 'vms'))), []);
  });
}

test('accepts "tuning" after the macvtap, because KubeVirt reads MAC and MTU from the link', () => {
  const plugins = [
    { type: 'tapwire', ...MACVTAP },
    { type: 'tuning', mac: '02:00:00:00:00:01' },
  ];
  const config = JSON.stringify({ cniVersion: '1.0.0', name: 'lan', plugins });
  assert.equal(findingsOf(asking(nad('lan', config, 'vms'))), []);
});

for (const [key, value] of [
  ['mode', 'private'],
  ['lowerDevice', 'bond0'],
  ['podLink', 'eth0'],
  ['multiQueue', true],
  ['network', 'secondary'],
  ['selinuxContext', 'a:b:c'],
  ['guestAddresses', 'pod'],
  ['spoofGuard', 'mac'],
] as const) {
  test(`finds the key ${key}, which ADD rejects`, () => {
    const [finding = '', ...others] = findingsOf(asking(nad('lan', { ...MACVTAP, [key]: value }, 'vms')));
    assert.equal(others, []);
    assert.match(finding, inNad('error', `Cannot read $.${key}: want no such key with binding "macvtap", `));
  });
}

for (const [why, conf, want] of [
  [
    'an MTU that no link has',
    { mtu: 70000 },
    inNad('error', 'Cannot read $.mtu: want an integer in 68..65535, got 70000'),
  ],
  [
    'a device id of another device plugin',
    { deviceID: 'dataplaneMvp3' },
    inNad(
      'error',
      `Cannot read $.deviceID: want the id of a device of Tapwire's resources, got "dataplaneMvp3"`,
    ),
  ],
  [
    'promiscuous mode',
    { promiscMode: true },
    inNad(
      'warning',
      '$.promiscMode has no effect by itself: ADD rejects it unless the entry in the node policy file has "promisc": true',
    ),
  ],
  ['an unknown key', { lowerdev: 'x' }, inNad('warning', '$.lowerdev is an unknown key; check the spelling')],
] as const) {
  test(`finds ${why}`, () => {
    assert.equal(findingsOf(asking(nad('lan', { ...MACVTAP, ...conf }, 'vms'))), [want]);
  });
}

test('finds the id of one device, with and without a resource', () => {
  const [deviceID] = deviceIdsOf('vm-lan', 1);
  const text = nad('lan', { ...MACVTAP, deviceID }, 'vms');
  assert.equal(findingsOf(asking(text)), [
    inNad('warning', '$.deviceID is the device of one pod, and Multus replaces it; remove it'),
  ]);
  assert.equal(findingsOf(text), [
    inNad('error', NO_DEVICE),
    inNad(
      'warning',
      '$.deviceID is the device of one pod, and ADD rejects it for every other pod; remove it',
    ),
  ]);
});

const NO_DEVICE =
  `without the annotation ${ASKED}, no pod gets a device, and ADD rejects it; ` +
  'add it, with a resource such as "tapwire.io/vm-lan"';

test('finds a NAD that asks for no device', () => {
  assert.equal(findingsOf(nad('lan', MACVTAP, 'vms')), [inNad('error', NO_DEVICE)]);
  assert.equal(findingsOf(nad('lan', { ...MACVTAP, master: 'bond0' }, 'vms')), []);
});

for (const [resource, want] of [
  [
    'macvtap.network.kubevirt.io/dataplane',
    `warning: ${SUBJECT}: annotation ${ASKED}: "macvtap.network.kubevirt.io/dataplane" must be the "name" of a resource in the node policy file ` +
      '($.macvtap.resources); ADD rejects the device of another device plugin',
  ],
  [
    'vm-lan',
    `error: ${SUBJECT}: annotation ${ASKED}: "vm-lan" is not the name of a resource; want one such as "tapwire.io/vm-lan"`,
  ],
  [
    'tapwire.io/vm lan',
    `error: ${SUBJECT}: annotation ${ASKED}: "tapwire.io/vm lan" is not the name of a resource; want one such as "tapwire.io/vm-lan"`,
  ],
  [
    'node.kubernetes.io/lan',
    `error: ${SUBJECT}: annotation ${ASKED}: "node.kubernetes.io/lan" is not the name of a resource; want one such as "tapwire.io/vm-lan"`,
  ],
  [
    `tapwire.io/${'x'.repeat(53)}`,
    `error: ${SUBJECT}: annotation ${ASKED}: the node policy file cannot offer "${'x'.repeat(53)}", which has more than 52 characters; shorten it`,
  ],
] as const) {
  test(`finds resource ${resource}`, () => {
    assert.equal(findingsOf(asking(nad('lan', MACVTAP, 'vms'), resource)), [`5 ${want}`]);
  });
}

test('finds a plugin that creates the link before the macvtap', () => {
  const plugins = [
    { type: 'macvlan', master: 'bond0' },
    { type: 'tapwire', ...MACVTAP },
  ];
  const config = JSON.stringify({ cniVersion: '1.0.0', name: 'lan', plugins });
  assert.equal(findingsOf(asking(nad('lan', config, 'vms'))), [
    inNad(
      'error',
      `$.plugins[1] has binding "macvtap" and creates the pod's link itself, but $.plugins[0] ("macvlan") comes before it and creates it, too; remove that plugin`,
    ),
  ]);
});

test('finds a registration that names the NAD of a macvtap', () => {
  const text =
    LAN +
    kubevirt({ 'tapwire-macvtap': { networkAttachmentDefinition: 'vms/lan', domainAttachmentType: 'tap' } });
  const finding =
    'error: binding "tapwire-macvtap": networkAttachmentDefinition names one with binding "macvtap", which creates the link of a network, ' +
    "and ADD rejects it; remove it, and name that NetworkAttachmentDefinition in the VMs' networks";
  assert.equal(findingsOf(text), [`13 ${finding}`]);
  assert.equal(findingsOf(text + onLan()), [`13 ${finding}`], 'and nothing else for its VM');
});

for (const [why, conf, resource, want] of [
  [
    'without a device',
    { type: 'macvtap' },
    null,
    `error: ${SUBJECT}: without the annotation ${ASKED}, macvtap-cni gets no device, and no pod can use it; add it`,
  ],
  [
    'with the key of Tapwire, but the old type',
    { type: 'macvtap', binding: 'macvtap' },
    'a.b/c',
    `error: ${SUBJECT}: $.type is "macvtap", which is macvtap-cni, but it has the key "binding" of Tapwire; want "type": "tapwire"`,
  ],
  [
    'with the type of Tapwire, but without the key',
    { type: 'tapwire' },
    'macvtap.network.kubevirt.io/dataplane',
    `warning: ${SUBJECT}: the annotation ${ASKED} asks for a device, but $ is of binding "tap", which needs none; for a macvtap, add "binding": "macvtap"`,
  ],
] as const) {
  test(`finds a NAD of macvtap-cni ${why}`, () => {
    const text = nad('lan', conf, 'vms');
    assert.equal(findingsOf(resource === null ? text : asking(text, resource)), [`5 ${want}`]);
  });
}

test('says the same of the webhook that must request the device as for other NADs', () => {
  const [finding = '', ...others] = allFindingsOf(LAN + REGISTERED + onLan(), 9);
  assert.equal(others, []);
  assert.match(
    finding,
    `4 warning: ${SUBJECT}: KubeVirt 1.9 does not request device "tapwire.io/vm-lan" for VMs`,
  );
});

/** The NAD of macvtap-cni in docs/macvtap.md, before and after the change of one line. */
test('the diff of docs/macvtap.md turns a NAD of macvtap-cni into one that ADD takes', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../../../docs/macvtap.md'), 'utf8');
  const [, diff = ''] = /^```diff\n(.*?)^```$/ms.exec(page) ?? [];
  const side = (sign: '-' | '+') =>
    diff
      .split('\n')
      .filter((line) => line.startsWith(' ') || line.startsWith(sign))
      .map((line) => line.slice(1))
      .join('\n');
  assert.is(diff.split('\n').filter((line) => line.startsWith('-')).length, 1, 'one line is changed');
  assert.equal(findingsOf(side('-')), []);
  const [finding = '', ...others] = findingsOf(side('+'));
  assert.equal(others, []);
  assert.match(
    finding,
    '"macvtap.network.kubevirt.io/dataplane" must be the "name" of a resource in the node policy file',
  );
  const conf = JSON.parse(parse(side('+')).spec.config);
  const { binding, mtu, unknownKeys } = decodeNetConf(conf) as Extract<
    ReturnType<typeof decodeNetConf>,
    { binding: 'macvtap' }
  >;
  assert.equal([binding, mtu, unknownKeys], ['macvtap', 1500, []]);
});

test.run();
