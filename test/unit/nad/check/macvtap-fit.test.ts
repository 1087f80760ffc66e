import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf as allFindingsOf, kubevirt, nad, vm } from '../../../helpers/cluster/check.ts';
import {
  asking,
  bound,
  findingsOf,
  LAN,
  MACVTAP,
  onLan,
  REGISTERED,
} from '../../../helpers/cluster/macvtap.ts';

const test = suite('tapwire check: VMs on macvtaps');

const VM = 'VirtualMachine "vms/red": interface "red"';
const inVm = (severity: string, reason: string) => `8 ${severity}: ${VM}: ${reason}`;
const ON_LAN = 'its network "lan" is a macvtap';
const REMEDY = 'use binding "tapwire-macvtap" (domainAttachmentType "tap")';
const MANY = { devices: { networkInterfaceMultiqueue: true } };

for (const [how, registered] of [
  ['registered', REGISTERED],
  ['not in the files', ''],
] as const) {
  test(`accepts a VM on a macvtap, whose binding is ${how}`, () => {
    assert.equal(findingsOf(onLan() + LAN + registered), []);
  });
}

test('accepts the names of others, and the method of KubeVirt before 1.3', () => {
  const registered = kubevirt({
    macvtap: { domainAttachmentType: 'tap' },
    own: { sidecarImage: 'example.com/x:1' },
  });
  assert.equal(findingsOf(onLan(bound('macvtap')) + LAN + registered), []);
  assert.equal(findingsOf(onLan(bound('own')) + LAN + registered), []);
  assert.equal(allFindingsOf(onLan({ macvtap: {} }) + LAN, 2), []);
});

for (const [why, one, registered, reason] of [
  ['bridge', { bridge: {} }, REGISTERED, 'on which "bridge" does not work'],
  ['sriov', { sriov: {} }, REGISTERED, 'on which "sriov" does not work'],
  ['a tap by its name', bound('tapwire'), '', 'and binding "tapwire" is for tap'],
  ['passt by its name', bound('tapwire-passt'), '', 'and binding "tapwire-passt" is for passt'],
  [
    'a tap by its NAD',
    bound('mine'),
    kubevirt({ mine: { networkAttachmentDefinition: 'vms/mine', domainAttachmentType: 'tap' } }) +
      nad('mine', { network: 'secondary' }, 'vms'),
    'and binding "mine" is for tap-secondary',
  ],
  [
    'managedTap',
    bound('core'),
    kubevirt({ core: { domainAttachmentType: 'managedTap' } }),
    'on which binding "core" ("managedTap") does not work',
  ],
  [
    'nothing that gives it a NIC',
    bound('bare'),
    kubevirt({ bare: {} }),
    'and binding "bare" gives the VM no NIC on it',
  ],
] as const) {
  test(`finds a VM on a macvtap with ${why}`, () => {
    assert.equal(findingsOf(onLan(one) + LAN + registered), [
      inVm('error', `${ON_LAN}, ${reason}; ${REMEDY}`),
    ]);
  });
}

test('finds a VM on a macvtap without a device plugin', () => {
  const master = nad('lan', { ...MACVTAP, master: 'bond0' }, 'vms');
  assert.equal(findingsOf(onLan() + master + REGISTERED), [
    inVm(
      'error',
      `${ON_LAN} without a device plugin ("master"), and no VM of KubeVirt can open its device node; offer "bond0" as a resource in the ` +
        'node policy file, and name the resource in an annotation of the NetworkAttachmentDefinition',
    ),
  ]);
});

test('finds a macvtap as the primary network', () => {
  const primary = {
    interfaces: [{ name: 'red', binding: { name: 'tapwire-macvtap' } }],
    networks: [{ name: 'red', multus: { networkName: 'lan', default: true } }],
  };
  assert.equal(findingsOf(vm(primary) + LAN + REGISTERED), [
    inVm(
      'warning',
      `${ON_LAN} and the primary network, and ADD rejects "eth0" unless the node policy file has "defaultNetwork": true in $.macvtap`,
    ),
  ]);
});

for (const [why, conf, parts, one, queues] of [
  ['one queue, and the VM has two', {}, MANY, {}, 1],
  ['two, and the VM has four', { queues: 2 }, { ...MANY, domain: { cpu: { cores: 4 } } }, {}, 2],
  ['as many as the VM', { queues: 2 }, MANY, {}, null],
  ['more than the VM', { queues: 4 }, {}, {}, null],
  ['one, and the NIC has another model', {}, MANY, { model: 'e1000e' }, null],
] as const) {
  test(`compares queues: the macvtap has ${why}`, () => {
    const text =
      onLan({ ...bound('tapwire-macvtap'), ...one }, parts) +
      asking(nad('lan', { ...MACVTAP, ...conf }, 'vms')) +
      REGISTERED;
    const own = why.endsWith('four') ? 4 : 2;
    const finding = inVm(
      'advice',
      `the VM has ${own} queues (networkInterfaceMultiqueue), but its macvtap sends all of them through ${queues}; ` +
        `write "queues": ${own} into the NetworkAttachmentDefinition`,
    );
    assert.equal(findingsOf(text.replaceAll('---\n---', '---')), queues === null ? [] : [finding]);
  });
}

for (const source of ['dataVolume', 'persistentVolumeClaim']) {
  test(`finds a hot-plugged ${source} next to a macvtap`, () => {
    const volumes = (isHot: boolean) =>
      `      volumes: [{name: root, ${source}: {name: a}}, {name: data, ${source}: {name: b, hotpluggable: ${isHot}}}]\n`;
    assert.equal(findingsOf(onLan() + volumes(false) + LAN + REGISTERED), []);
    assert.equal(findingsOf(onLan() + volumes(true) + LAN + REGISTERED), [
      inVm(
        'warning',
        `${ON_LAN}, and with the hot-plugged volume "data" KubeVirt removes the right to open its device node, so that the VM may not start ` +
          '(kubevirt#17392); use a network of macvlan and binding "tapwire-secondary", or no hot-plugged volume',
      ),
    ]);
    const withMac = { ...bound('tapwire-secondary'), macAddress: '02:00:00:00:00:10' };
    const macvlan = nad('lan', { type: 'macvlan', capabilities: { mac: true } }, 'vms');
    assert.equal(findingsOf(onLan(withMac) + volumes(true) + macvlan), []);
  });
}

const noMacvtap = (where: string, better: string) =>
  `binding "tapwire-macvtap" is for networks of binding "macvtap", but ${where} creates no macvtap, so the VM does not start; use binding "${better}"`;
for (const [why, text, want] of [
  [
    'the pod network',
    vm({ interfaces: [{ name: 'default', ...bound('tapwire-macvtap') }] }),
    [`8 error: VirtualMachine "vms/red": interface "default": ${noMacvtap('the pod network', 'tapwire')}`],
  ],
  [
    'a network of macvlan',
    onLan() + nad('lan', { type: 'macvlan' }, 'vms'),
    [inVm('error', noMacvtap('network "lan"', 'tapwire-secondary'))],
  ],
  ['a network of macvtap-cni', onLan() + asking(nad('lan', { type: 'macvtap' }, 'vms'), 'a.b/c'), []],
  ['a network of the CNI plugin "tap"', onLan() + nad('lan', { type: 'tap' }, 'vms'), []],
  ['a network that is not in the files', onLan(), []],
  ['a network whose NAD is empty', onLan() + nad('lan', '', 'vms'), []],
] as const) {
  test(`judges the binding for macvtaps on ${why}`, () => assert.equal(findingsOf(text + REGISTERED), want));
}

test.run();
