import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Diagnosis } from '../../../../cli/doctor/diagnosis.ts';
import type {
  AgentFacts,
  Comparison,
  ConfDirectory,
  Facts,
  Fallback,
  Plugin,
} from '../../../../cli/doctor/facts.ts';
import { toFindings } from '../../../../cli/doctor/findings.ts';

const test = suite('toFindings()');

const PLUGIN: Plugin = {
  isExecutable: true,
  isRootsAlone: true,
  version: '1.0.0',
  isOurs: true,
  isInstalled: true,
  failure: null,
  fallback: {
    isThere: true,
    isLeftOut: false,
    failure: null,
    comparison: { missing: [], changed: [], foreign: [], writable: [] },
  },
};
const AGENT: AgentFacts = {
  socket: '/s',
  isThere: true,
  failure: null,
  health: 'h:1',
  ready: { isReady: true, text: 'ok' },
  version: '1.0.0',
  offered: new Map(),
};
const NO_AGENT: AgentFacts = { ...AGENT, isThere: false, ready: null, version: null };
const CONFS: ConfDirectory = {
  path: '/net.d',
  platform: null,
  confs: [{ name: '00-multus.conf', problem: null, multus: { binDirectory: null }, hasTapwire: false }],
  renamed: [],
};
const GOOD: Facts = {
  version: '1.0.0',
  tun: { device: [10, 200], failure: null },
  wiring: { matchall: null, u32: null },
  silence: null,
  passage: { services: null, guard: { program: null, filters: null } },
  selinux: null,
  directories: [{ path: '/bin', platform: null, plugin: PLUGIN }],
  missingDirectories: [],
  agent: AGENT,
  macvtap: null,
  nodeFile: { path: '/n', isThere: true, failure: null },
  confDirectories: [CONFS],
};

const lines = (facts: Partial<Facts>): readonly string[] =>
  toFindings({ ...GOOD, ...facts }).map(
    ({ severity, what, found }: Diagnosis) => `${severity} ${what}: ${found}`,
  );

test('warns of a kernel without nf_tables, and names its options', () => {
  const findings = toFindings({ ...GOOD, silence: 'Cannot silence' });
  const [finding] = findings.filter(({ what }) => what === 'silence');
  assert.equal([finding?.severity, finding?.found], ['warning', 'Cannot silence']);
  assert.match(finding?.advice ?? '', 'CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and CONFIG_NF_TABLES_ARP');
});

test('warns of a kernel that cannot serve or guard guests, and names its options', () => {
  const guard = { program: 'Cannot add', filters: 'Cannot keep' };
  const warnings = toFindings({ ...GOOD, passage: { services: 'Cannot serve', guard } }).slice(3, 5);
  assert.equal(
    warnings.map(({ severity, what, found }) => `${severity} ${what}: ${found}`),
    ['warning guest services: Cannot serve', 'warning spoof guard: Cannot keep'],
  );
  for (const { advice } of warnings) assert.match(advice ?? '', 'CONFIG_NF_TABLES_NETDEV');
});

const withPlugin = (plugin: Partial<Plugin>, agent = AGENT): Partial<Facts> => ({
  agent,
  directories: [{ path: '/bin', platform: null, plugin: { ...PLUGIN, ...plugin } }],
});
const WHOLE = { missing: [], changed: [], foreign: [], writable: [] };
const fallbackWith = (comparison: Partial<Comparison> | null, failure: string | null = null): Fallback => ({
  isThere: true,
  isLeftOut: false,
  failure,
  comparison: comparison && { ...WHOLE, ...comparison },
});
const NONE: Fallback = { isThere: false, isLeftOut: false, failure: null, comparison: null };
const LEFT_OUT: Fallback = { ...NONE, isLeftOut: true };

test('reports ok without advice for a good node', () => {
  assert.equal(lines({}), [
    'ok /dev/net/tun: character device 10:200, can be opened',
    'ok wiring: two taps in a temporary netns exchange frames, by matchall',
    "ok silence: nftables can keep a pod's own stack from sending with the VM's MAC",
    "ok guest services: a tap can take its guest's DHCP and router solicitations, and keep foreign servers out",
    'ok spoof guard: by a classic BPF program',
    'ok /bin/tapwire: version 1.0.0, answers VERSION',
    'ok /bin/.tapwire: as installed, answers VERSION without an agent',
    'ok agent: answers at /s',
    'ok agent health: ready, according to http://h:1/readyz',
    'ok node policy file: /n is valid',
    'ok default network: /net.d/00-multus.conf comes first and calls Multus',
  ]);
  assert.ok(toFindings(GOOD).every(({ advice }) => advice === null));
});

/** Changes to the state of a good node, and the lines that differ. */
const CASES: readonly (readonly [string, Partial<Facts>, readonly string[]])[] = [
  [
    'no classic BPF for tc',
    { passage: { services: null, guard: { program: 'no', filters: null } } },
    ['ok spoof guard: by u32 filters; this kernel has no classic BPF for tc (CONFIG_NET_CLS_BPF)'],
  ],
  ['no tun', { tun: null }, ['error /dev/net/tun: is missing']],
  ['a file', { tun: { device: null, failure: null } }, ['error /dev/net/tun: is not a character device']],
  [
    'another device',
    { tun: { device: [1, 3], failure: null } },
    ['error /dev/net/tun: is device 1:3, want 10:200'],
  ],
  [
    'a device without a driver',
    { tun: { device: [10, 200], failure: 'ENODEV' } },
    ['error /dev/net/tun: cannot be opened: ENODEV'],
  ],
  [
    'no matchall',
    { wiring: { matchall: 'no', u32: null } },
    [
      'ok wiring: two taps in a temporary netns exchange frames, by u32; this kernel has no matchall ' +
        '(CONFIG_NET_CLS_MATCHALL), which makes no difference to VMs',
    ],
  ],
  ['no classifier', { wiring: { matchall: 'no', u32: 'Cannot' } }, ['error wiring: Cannot']],
  [
    'SELinux',
    { selinux: 'enforcing' },
    [
      'ok wiring: two taps in a temporary netns exchange frames, by matchall; SELinux is enforcing, ' +
        'and containers may use the taps',
    ],
  ],
  [
    'no directory',
    { directories: [] },
    ['error plugin: none of the known directories of CNI plugins exists'],
  ],
  [
    'no directory of those that were named',
    { directories: [], missingDirectories: ['/nope', '/no'] },
    [
      'error plugin: /nope is not a directory, but --cni-bin-dir names it',
      'error plugin: /no is not a directory, but --cni-bin-dir names it',
    ],
  ],
  [
    'no plugin',
    { directories: [{ path: '/a', platform: null, plugin: null }] },
    ['error plugin: tapwire is not in /a'],
  ],
  ['not executable', withPlugin({ isExecutable: false }), ['error /bin/tapwire: cannot be executed']],
  [
    "others'",
    withPlugin({ isRootsAlone: false }),
    ['error /bin/tapwire: users other than root can change what root runs'],
  ],
  [
    'foreign',
    withPlugin({ version: null }),
    ['error /bin/tapwire: is not Tapwire, or not for this architecture'],
  ],
  [
    'another file',
    withPlugin({ isOurs: false }),
    ['warning /bin/tapwire: is not the file that this command came with'],
  ],
  ['installed without a fallback', withPlugin({ isOurs: null }), []],
  ['no reply', withPlugin({ failure: 'Cannot do' }), ['error /bin/tapwire: Cannot do']],
  [
    'not as installed',
    withPlugin({ isInstalled: false }),
    ['warning /bin/tapwire: is not the file that the installer wrote, according to its inventory'],
  ],
  ['installed by hand', withPlugin({ isInstalled: null }), []],
  [
    'broken fallback',
    withPlugin({ fallback: fallbackWith({}, 'it throws') }),
    ['error /bin/.tapwire: it throws'],
  ],
  [
    'fallback without an inventory',
    withPlugin({ fallback: fallbackWith(null) }),
    [
      'warning /bin/.tapwire: answers VERSION without an agent, but has no inventory: its files cannot be compared',
    ],
  ],
  [
    'a file of the fallback is missing, others have changed',
    withPlugin({
      fallback: fallbackWith({ missing: ['a'], changed: ['b', 'c'], writable: ['d'], foreign: ['e'] }),
    }),
    [
      'error /bin/.tapwire: lacks "a"',
      'error /bin/.tapwire: is not as installed: "b", "c"',
      'error /bin/.tapwire: users other than root can change "d", which root runs',
      'warning /bin/.tapwire: has files that the installer did not write: "e"',
    ],
  ],
  [
    'many foreign files',
    withPlugin({ fallback: fallbackWith({ foreign: ['1', '2', '3', '4', '5', '6', '7'] }) }),
    ['warning /bin/.tapwire: has files that the installer did not write: "1", "2", "3", "4", "5" and 2 more'],
  ],
  [
    'no fallback',
    withPlugin({ fallback: NONE }),
    ['warning /bin/.tapwire: the fallback is missing, so pods cannot start while the agent is down'],
  ],
  [
    'neither',
    withPlugin({ fallback: NONE }, NO_AGENT),
    [
      'error /bin/.tapwire: the fallback is missing, so pods cannot start while the agent is down',
      'error agent: is not running, and there is no fallback',
    ],
  ],
  [
    'no fallback wanted',
    withPlugin({ fallback: LEFT_OUT }),
    ['ok /bin/.tapwire: installed without the fallback (--no-fallback)'],
  ],
  [
    'no fallback wanted, no agent',
    withPlugin({ fallback: LEFT_OUT }, NO_AGENT),
    [
      'error /bin/.tapwire: installed without the fallback (--no-fallback)',
      'error agent: is not running, and there is no fallback',
    ],
  ],
  [
    'no agent',
    { agent: NO_AGENT },
    ['warning agent: is not running, so every call starts Node.js, one at a time'],
  ],
  [
    'dead agent',
    { agent: { ...AGENT, failure: 'ECONNREFUSED', ready: null, version: null } },
    ['error agent: does not answer at /s, and calls wait for it: ECONNREFUSED'],
  ],
  [
    'no health',
    { agent: { ...AGENT, ready: null, version: null } },
    ['warning agent health: no response from http://h:1/readyz'],
  ],
  [
    'not ready',
    { agent: { ...AGENT, ready: { isReady: false, text: 'no tun' } } },
    ['error agent health: not ready: no tun'],
  ],
  [
    'old agent',
    { agent: { ...AGENT, version: '0.9.0' } },
    ['warning versions: the agent has version 0.9.0, this command 1.0.0'],
  ],
  [
    'old plugin',
    withPlugin({ version: '0.9.0' }),
    [
      'ok /bin/tapwire: version 0.9.0, answers VERSION',
      'warning versions: /bin/tapwire has version 0.9.0, this command 1.0.0',
    ],
  ],
  [
    'bad node file',
    { nodeFile: { path: '/n', isThere: true, failure: 'Cannot use' } },
    ['error node policy file: Cannot use'],
  ],
  [
    'no node file',
    { nodeFile: { path: '/n', isThere: false, failure: null } },
    ['ok node policy file: none at /n: every namespace may use the bindings'],
  ],
  [
    'no Multus',
    { confDirectories: [{ ...CONFS, confs: [] }] },
    ['warning default network: there is no Multus in /net.d, and only Multus calls bindings'],
  ],
  [
    'the plugin in a directory that this distribution does not search',
    {
      directories: [...GOOD.directories, { path: '/k3s/bin', platform: 'k3s', plugin: null }],
      confDirectories: [{ ...CONFS, path: '/k3s/net.d', platform: 'k3s' }],
    },
    [
      'warning plugin: tapwire is in /bin, but k3s searches /k3s/bin',
      'ok default network: /k3s/net.d/00-multus.conf comes first and calls Multus',
    ],
  ],
  [
    'the plugin in a directory that Multus searches',
    {
      directories: [...GOOD.directories, { path: '/k3s/bin', platform: 'k3s', plugin: null }],
      confDirectories: [
        {
          path: '/k3s/net.d',
          platform: 'k3s',
          confs: [{ name: '00', problem: null, multus: { binDirectory: '/bin' }, hasTapwire: false }],
          renamed: [],
        },
      ],
    },
    ['ok default network: /k3s/net.d/00 comes first and calls Multus'],
  ],
  [
    'the plugin in a directory that this distribution searches, among others',
    {
      directories: [
        { path: '/bin', platform: null, plugin: null },
        { path: '/k3s/bin', platform: 'k3s', plugin: PLUGIN },
      ],
      confDirectories: [{ ...CONFS, platform: 'k3s' }],
    },
    [
      'ok /k3s/bin/tapwire: version 1.0.0, answers VERSION',
      'ok /k3s/bin/.tapwire: as installed, answers VERSION without an agent',
    ],
  ],
];
for (const [title, facts, want] of CASES) {
  test(`${title} gives ${want[0] ?? 'nothing'}`, () => {
    const good = lines({});
    assert.equal(
      lines(facts).filter((line) => !good.includes(line)),
      want,
    );
    const asking = toFindings({ ...GOOD, ...facts }).filter(({ severity }) => severity !== 'ok');
    assert.ok(
      asking.every(({ advice }) => advice !== null),
      'each problem has advice',
    );
  });
}

test.run();
