import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, kubevirt, nad, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: bindings of secondary networks');

const entry = (name: string) => ({
  networkAttachmentDefinition: `default/${name}`,
  domainAttachmentType: 'tap',
});
const NADS =
  nad('tapwire-tap') +
  nad('tapwire-tap-mq', { multiQueue: true }) +
  nad('tapwire-secondary', { network: 'secondary' }) +
  nad('tapwire-secondary-mq', { network: 'secondary', multiQueue: true }) +
  nad('tapwire-pod-ip', { guestAddresses: 'pod' }) +
  nad('tapwire-pod-ip-mq', { guestAddresses: 'pod', multiQueue: true }) +
  nad('own-served', { network: 'secondary', guestAddresses: 'pod' }) +
  nad('own-tap', { mtu: 1400 }) +
  nad('own-lan', { Network: 'secondary' });
const REGISTERED = kubevirt({
  tapwire: entry('tapwire-tap'),
  'tapwire-mq': entry('tapwire-tap-mq'),
  'tapwire-secondary': entry('tapwire-secondary'),
  'tapwire-secondary-mq': entry('tapwire-secondary-mq'),
  'tapwire-pod-ip': { ...entry('tapwire-pod-ip'), sidecarImage: 'tapwire:1' },
  'tapwire-pod-ip-mq': { ...entry('tapwire-pod-ip-mq'), sidecarImage: 'tapwire:1' },
  'mine-served': { ...entry('own-served'), sidecarImage: 'tapwire:1' },
  mine: entry('own-tap'),
  'mine-lan': entry('own-lan'),
  bare: { domainAttachmentType: 'tap' },
});
const LAN = nad('lan', { type: 'ovs' }, 'vms');
const MANY = { devices: { networkInterfaceMultiqueue: true } };

/** A VM with a secondary network, bound by this name. */
const secondary = (name: string, more: object = {}, networkName = 'lan') =>
  vm({
    interfaces: [
      { name: 'default', masquerade: {} },
      { name: 'red', binding: { name } },
    ],
    networks: [
      { name: 'default', pod: {} },
      { name: 'red', multus: { networkName } },
    ],
    ...more,
  });
const primary = (name: string, more: object = {}) =>
  vm({ interfaces: [{ name: 'default', binding: { name } }], ...more });

const ON_LAN = 'VirtualMachine "vms/red": interface "red"';
const ON_POD = 'VirtualMachine "vms/red": interface "default"';
const advice = (binding: string, better: string) =>
  `8 advice: ${ON_LAN}: binding "${binding}" takes the pod's own link if network "red" creates no link in the pod; use binding "${better}", which rejects such a network`;
const wrong = (binding: string, better: string) =>
  `8 error: ${ON_POD}: binding "${binding}" is only for secondary networks ("network": "secondary" in its NetworkAttachmentDefinition) ` +
  `and "default" is the primary network, so the pod does not start; use binding "${better}"`;

for (const [how, cluster] of [
  ['with NADs and registrations', LAN + NADS + REGISTERED],
  ['by names only', ''],
] as const) {
  for (const [why, text, want] of [
    ['a secondary network on tapwire', secondary('tapwire'), [advice('tapwire', 'tapwire-secondary')]],
    [
      'a secondary network on tapwire-mq',
      secondary('tapwire-mq', MANY),
      [advice('tapwire-mq', 'tapwire-secondary-mq')],
    ],
    ['a secondary network on tapwire-secondary', secondary('tapwire-secondary'), []],
    ['a secondary network on tapwire-secondary-mq', secondary('tapwire-secondary-mq', MANY), []],
    ['a secondary network on tapwire-pod-ip', secondary('tapwire-pod-ip'), []],
    ['a secondary network on tapwire-pod-ip-mq', secondary('tapwire-pod-ip-mq', MANY), []],
    ['the pod network on tapwire-pod-ip', primary('tapwire-pod-ip'), []],
    ['the pod network on tapwire', primary('tapwire'), []],
    [
      'the pod network on tapwire-secondary',
      primary('tapwire-secondary'),
      [wrong('tapwire-secondary', 'tapwire')],
    ],
    [
      'the pod network on tapwire-secondary-mq',
      primary('tapwire-secondary-mq', MANY),
      [wrong('tapwire-secondary-mq', 'tapwire-mq')],
    ],
    [
      'a primary network of Multus on tapwire',
      primary('tapwire', { networks: [{ name: 'default', multus: { networkName: 'lan', default: true } }] }),
      [],
    ],
    ['an interface without a network', primary('tapwire', { networks: [] }), 'no network of that name'],
  ] as const) {
    test(`judges ${why}, ${how}`, () => {
      const findings = findingsOf(text + cluster).filter(
        (finding) => !finding.includes('is not in these files'),
      );
      if (typeof want === 'string')
        assert.ok(findings.length === 1 && findings[0]?.includes(want), `${findings}`);
      else assert.equal(findings, want);
    });
  }
}

const ALL = NADS + REGISTERED + LAN;
for (const [why, text, want] of [
  ["the user's own NAD without the key", secondary('mine'), [advice('mine', 'tapwire-secondary')]],
  ["the user's own NAD with it", secondary('mine-lan'), []],
  ["the user's own NAD with it, on the pod network", primary('mine-lan'), [wrong('mine-lan', 'tapwire')]],
  [
    "the user's own NAD with it, whose guest is served, on the pod network",
    primary('mine-served'),
    [wrong('mine-served', 'tapwire-pod-ip')],
  ],
  ['a registration without a NAD', secondary('bare'), []],
  [
    'queues that do not match the tap of a guest that is served',
    secondary('tapwire-pod-ip', MANY),
    [
      `8 warning: ${ON_LAN}: the VM asks for 2 queues (networkInterfaceMultiqueue) but its tap has one; use binding "tapwire-pod-ip-mq"; as it is, the VM boots only because the sidecar adapts its queues`,
    ],
  ],
  [
    'queues that do not match the tap of the binding for any network',
    secondary('tapwire', MANY),
    [
      `8 error: ${ON_LAN}: the VM asks for 2 queues (networkInterfaceMultiqueue) but its tap has one; use binding "tapwire-secondary-mq"; as it is, QEMU cannot open the tap and the VM does not boot`,
      advice('tapwire', 'tapwire-secondary'),
    ],
  ],
  [
    'queues that do not match, with the counterpart for secondary networks',
    secondary('tapwire-secondary', MANY),
    [
      `8 error: ${ON_LAN}: the VM asks for 2 queues (networkInterfaceMultiqueue) but its tap has one; use binding "tapwire-secondary-mq"; as it is, QEMU cannot open the tap and the VM does not boot`,
    ],
  ],
] as const) {
  test(`judges ${why}`, () => assert.equal(findingsOf(text + ALL), want));
}

test('reports only one error for a network whose own NAD runs Tapwire', () => {
  const chain = { cniVersion: '1.0.0', name: 'lan', plugins: [{ type: 'ovs' }, { type: 'tapwire' }] };
  const findings = findingsOf(
    secondary('tapwire') + nad('lan', JSON.stringify(chain), 'vms') + NADS + REGISTERED,
  );
  assert.is(findings.length, 1);
  assert.match(findings[0] ?? '', /^8 error: .*both its binding and its network "lan" run Tapwire/);
});

test.run();
