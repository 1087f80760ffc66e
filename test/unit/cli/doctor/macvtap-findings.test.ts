import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AgentFacts, Facts } from '../../../../cli/doctor/facts.ts';
import type { MacvtapFacts } from '../../../../cli/doctor/macvtap-facts.ts';
import { macvtapFindings } from '../../../../cli/doctor/macvtap-findings.ts';
import { deviceFileSystemOf, offeredDevices } from '../../../../cli/doctor/parse-macvtap.ts';
import type { Lower } from '../../../../cni/kernel/lower-device.ts';
import type { LowerDevice, MacvtapResource } from '../../../../cni/policy/macvtap-policy.ts';
import type { Link } from '../../../../shared/rtnetlink/link.ts';
import { linkOf } from '../../../helpers/pod/seen.ts';

const test = suite('macvtapFindings()');

const ENTRY: LowerDevice = { lowerDevice: 'uplink0', mode: 'bridge', promisc: false, allmulticast: true };
const RESOURCE: MacvtapResource = { ...ENTRY, name: 'vm-lan', capacity: 100 };
const lowerOf = (changes: Partial<Link> = {}, use: string | null = null): Lower => ({
  link: linkOf(7, 'uplink0', { kind: null, ...changes }),
  use,
});
const AGENT: AgentFacts = {
  socket: '/s',
  isThere: true,
  failure: null,
  health: 'h:1',
  ready: { isReady: true, text: 'ok' },
  version: '1.0.0',
  offered: new Map([['tapwire.io/vm-lan', { healthy: 100, unhealthy: 0 }]]),
};
const GOOD: MacvtapFacts = {
  policy: { resources: [RESOURCE], masters: [], kubeletDirectory: '/var/lib/kubelet' },
  kernel: null,
  deviceFileSystem: 'devtmpfs',
  lowers: new Map([['uplink0', lowerOf()]]),
  kubelet: { missing: [], registered: new Map([['tapwire.io/vm-lan', 100]]) },
  rejections: [],
};

const findingsOf = (macvtap: MacvtapFacts | null, agent = AGENT) =>
  macvtapFindings({ macvtap, agent } as Facts);
const lines = (changes: Partial<MacvtapFacts>, agent?: AgentFacts): readonly string[] =>
  findingsOf({ ...GOOD, ...changes }, agent).map(
    ({ severity, what, found }) => `${severity} ${what}: ${found}`,
  );
const withPolicy = (changes: Partial<MacvtapFacts['policy']>): Partial<MacvtapFacts> => ({
  policy: { ...GOOD.policy, ...changes },
});

test('says nothing if the node policy file has no $.macvtap', () => {
  assert.equal(findingsOf(null), []);
});

test('reports ok for a good node', () => {
  assert.equal(lines({}), [
    'ok macvtap: the kernel can create macvtaps',
    'ok /dev: a devtmpfs: the kernel makes and deletes the device nodes of macvtaps',
    'ok lower device uplink0: physical, up, MTU 1500, for tapwire.io/vm-lan; ' +
      'while VMs use it, it has allmulticast on, so the node receives all multicast frames',
    'ok kubelet: /var/lib/kubelet has the sockets for device plugins and pod resources',
    'ok resource tapwire.io/vm-lan: kubelet has registered 100 healthy devices of the agent',
    "ok volume hot-plug: KubeVirt drops a VM's right to open its macvtap when a volume is hot-plugged (kubevirt#17392)",
  ]);
});

test('needs no kubelet for masters alone, which no VM can use', () => {
  const facts = { ...withPolicy({ resources: [], masters: [ENTRY] }), kubelet: null };
  assert.equal(lines(facts).slice(2), [
    'ok lower device uplink0: physical, up, MTU 1500, for $.macvtap.masters; ' +
      'while VMs use it, it has allmulticast on, so the node receives all multicast frames',
  ]);
});

const without = (agent: Partial<AgentFacts>): AgentFacts => ({ ...AGENT, ...agent });
const LOST = 'so no new VM gets a device';

/** Changes to the state of a good node, and the lines that differ. */
const CASES: readonly (readonly [string, Partial<MacvtapFacts>, AgentFacts, readonly string[]])[] = [
  [
    'an old agent',
    { rejections: [{ who: 'the agent', reason: 'Cannot use node file "/n": no' }] },
    AGENT,
    ['error node policy file: the agent rejects it, and with it every ADD: Cannot use node file "/n": no'],
  ],
  [
    'a kernel without macvtap',
    { kernel: 'Unknown device type' },
    AGENT,
    ['error macvtap: the kernel cannot create macvtaps: Unknown device type'],
  ],
  [
    'a private /dev',
    { deviceFileSystem: 'tmpfs' },
    AGENT,
    [
      "warning /dev: tmpfs instead of the kernel's devtmpfs: ADD makes each device node itself, " +
        'and it is left if a pod ends without DEL',
    ],
  ],
  [
    'no lower device',
    { lowers: new Map([['uplink0', null]]) },
    AGENT,
    ['error lower device uplink0: is missing, for tapwire.io/vm-lan'],
  ],
  [
    'a lower device of another kind',
    { lowers: new Map([['uplink0', lowerOf({ type: 772 })]]) },
    AGENT,
    ['error lower device uplink0: does not carry Ethernet frames, for tapwire.io/vm-lan'],
  ],
  [
    'a lower device that is down',
    { lowers: new Map([['uplink0', lowerOf({ flags: 0 })]]) },
    AGENT,
    ['error lower device uplink0: is down, for tapwire.io/vm-lan'],
  ],
  [
    'a lower device without carrier',
    { lowers: new Map([['uplink0', lowerOf({ hasCarrier: false })]]) },
    AGENT,
    ['warning lower device uplink0: has no carrier, for tapwire.io/vm-lan'],
  ],
  [
    'a bridge port',
    { lowers: new Map([['uplink0', lowerOf({ master: 9 }, 'it belongs to a bridge or bond')]]) },
    AGENT,
    [
      'warning lower device uplink0: belongs to another link, for tapwire.io/vm-lan: ' +
        'if that is a bridge, bond or Open vSwitch, the kernel creates no macvtap',
    ],
  ],
  [
    'an uplink of the node in mode bridge',
    { lowers: new Map([['uplink0', lowerOf({}, 'the default route leads through it')]]) },
    AGENT,
    [],
  ],
  [
    'an uplink of the node in mode passthru',
    {
      ...withPolicy({ resources: [{ ...RESOURCE, mode: 'passthru' }] }),
      lowers: new Map([['uplink0', lowerOf({}, 'the default route leads through it')]]),
    },
    AGENT,
    [
      'error lower device uplink0: the default route leads through it, but in mode "passthru" a VM takes all of it, ' +
        'for tapwire.io/vm-lan',
    ],
  ],
  [
    'promiscuous mode without allmulticast',
    withPolicy({ resources: [{ ...RESOURCE, promisc: true, allmulticast: false }] }),
    AGENT,
    [
      'ok lower device uplink0: physical, up, MTU 1500, for tapwire.io/vm-lan; ' +
        'while VMs use it, it is promiscuous, so VMs and node receive all frames of its network',
    ],
  ],
  [
    'no kubelet',
    { kubelet: { missing: ['/k/a.sock', '/k/b.sock'], registered: null } },
    AGENT,
    [
      'error kubelet: /k/a.sock and /k/b.sock are not sockets, so no VM gets a macvtap',
      'ok resource tapwire.io/vm-lan: the agent offers 100 healthy devices to kubelet',
    ],
  ],
  [
    'a kubelet that has not registered it',
    { kubelet: { missing: [], registered: new Map([['x.org/gpu', 1]]) } },
    AGENT,
    [
      'error resource tapwire.io/vm-lan: the agent offers 100 healthy devices, ' +
        'but kubelet has not registered them, so no new VM gets a device',
    ],
  ],
  [
    'no agent',
    {},
    without({ isThere: false }),
    [`error resource tapwire.io/vm-lan: no agent offers it to kubelet, ${LOST}`],
  ],
  [
    'no metrics',
    {},
    without({ ready: null, offered: new Map() }),
    ['warning resource tapwire.io/vm-lan: unknown, because the agent does not show its metrics'],
  ],
  [
    'an agent that does not offer it',
    {},
    without({ offered: new Map([['tapwire.io/other', { healthy: 1, unhealthy: 0 }]]) }),
    [`error resource tapwire.io/vm-lan: the agent does not offer it to kubelet, ${LOST}`],
  ],
  [
    'unhealthy devices',
    {},
    without({ offered: new Map([['tapwire.io/vm-lan', { healthy: 0, unhealthy: 100 }]]) }),
    ['error resource tapwire.io/vm-lan: 100 of 100 devices are unhealthy, so no new VM gets one of them'],
  ],
];
for (const [title, changes, agent, want] of CASES) {
  test(`${title} gives ${want[0] ?? 'nothing'}`, () => {
    const good = lines({});
    assert.equal(
      lines(changes, agent).filter((line) => !good.includes(line)),
      want,
    );
    const problems = findingsOf({ ...GOOD, ...changes }, agent).filter(({ severity }) => severity !== 'ok');
    assert.ok(
      problems.every(({ advice }) => advice !== null),
      'each problem has advice',
    );
  });
}

test('deviceFileSystemOf() takes the last mount at /dev, or that of /', () => {
  const line = (point: string, type: string) => `24 27 0:6 / ${point} rw,relatime shared:2 - ${type} none rw`;
  const root = line('/', 'overlay');
  assert.is(
    deviceFileSystemOf([root, line('/dev', 'devtmpfs'), line('/dev/shm', 'tmpfs')].join('\n')),
    'devtmpfs',
  );
  assert.is(deviceFileSystemOf([root, line('/dev', 'devtmpfs'), line('/dev', 'tmpfs')].join('\n')), 'tmpfs');
  assert.is(deviceFileSystemOf(`${root}\n`), 'overlay');
  assert.is(deviceFileSystemOf(''), null);
});

test('offeredDevices() reads both samples of each resource', () => {
  const metrics = [
    '# TYPE tapwire_devices gauge',
    'tapwire_devices{resource="tapwire.io/a",health="healthy"} 3',
    'tapwire_devices{resource="tapwire.io/a",health="unhealthy"} 0',
    'tapwire_devices{resource="x.org/b",health="healthy"} 0',
    'tapwire_devices{resource="x.org/b",health="unhealthy"} 7',
    'tapwire_other{resource="x.org/c",health="healthy"} 1',
  ];
  assert.equal(
    [...offeredDevices(metrics.join('\n'))],
    [
      ['tapwire.io/a', { healthy: 3, unhealthy: 0 }],
      ['x.org/b', { healthy: 0, unhealthy: 7 }],
    ],
  );
});

test.run();
