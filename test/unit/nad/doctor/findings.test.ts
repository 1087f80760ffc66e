import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AgentFacts, Facts, Plugin } from '../../../../nad/doctor/facts.ts';
import type { Finding } from '../../../../nad/doctor/finding.ts';
import { toFindings } from '../../../../nad/doctor/findings.ts';

const test = suite('toFindings()');

const PLUGIN: Plugin = {
  isExecutable: true,
  isRootsAlone: true,
  version: '1.0.0',
  isOurs: true,
  failure: null,
  runtime: { isThere: true, isLeftOut: false, failure: null },
};
const AGENT: AgentFacts = {
  socket: '/s',
  isThere: true,
  failure: null,
  health: 'h:1',
  ready: { isReady: true, text: 'ok' },
  version: '1.0.0',
};
const NO_AGENT: AgentFacts = { ...AGENT, isThere: false, ready: null, version: null };
const GOOD: Facts = {
  version: '1.0.0',
  tun: { isDevice: true, mode: 0o20666 },
  wiring: { matchall: null, u32: null },
  selinux: null,
  folders: [{ path: '/bin', plugin: PLUGIN }],
  agent: AGENT,
  nodeFile: { path: '/n', isThere: true, failure: null },
  confs: [{ file: '/00', isMultus: true, hasTapwire: false }],
};

const lines = (facts: Partial<Facts>): readonly string[] =>
  toFindings({ ...GOOD, ...facts }).map(
    ({ severity, what, found }: Finding) => `${severity} ${what}: ${found}`,
  );

const withPlugin = (plugin: Partial<Plugin>, agent = AGENT): Partial<Facts> => ({
  agent,
  folders: [{ path: '/bin', plugin: { ...PLUGIN, ...plugin } }],
});
const BROKEN = { isThere: true, isLeftOut: false, failure: 'it has no "node"' };
const NONE = { isThere: false, isLeftOut: false, failure: null };
const LEFT_OUT = { ...NONE, isLeftOut: true };

test('a good node: every line is ok and asks for nothing', () => {
  assert.equal(lines({}), [
    'ok /dev/net/tun: a device of mode 0666',
    "ok wiring: two taps in a netns of their own take each other's frames, by matchall",
    'ok /bin/tapwire: version 1.0.0, answers VERSION',
    'ok /bin/.tapwire: complete: answers VERSION without an agent',
    'ok agent: answers at /s',
    'ok agent health: ready, says http://h:1/readyz',
    'ok node file: /n is valid',
    'ok default network: Multus is there, and Tapwire is not in it',
  ]);
  assert.ok(toFindings(GOOD).every(({ advice }) => advice === null));
});

/** What is found, and the lines that a good node has not. */
const CASES: readonly (readonly [string, Partial<Facts>, readonly string[]])[] = [
  ['no tun', { tun: null }, ['error /dev/net/tun: is missing']],
  ['a file', { tun: { isDevice: false, mode: 0o100644 } }, ['error /dev/net/tun: is no device']],
  [
    "root's tun",
    { tun: { isDevice: true, mode: 0o20660 } },
    ['warning /dev/net/tun: has mode 0660, and QEMU is not root in virt-launcher'],
  ],
  [
    'no matchall',
    { wiring: { matchall: 'no', u32: null } },
    [
      "ok wiring: two taps in a netns of their own take each other's frames, by u32; this kernel has no matchall " +
        '(CONFIG_NET_CLS_MATCHALL), which no VM misses',
    ],
  ],
  ['no classifier', { wiring: { matchall: 'no', u32: 'Cannot' } }, ['error wiring: Cannot']],
  [
    'SELinux',
    { selinux: 'enforcing' },
    [
      "ok wiring: two taps in a netns of their own take each other's frames, by matchall; SELinux is enforcing, " +
        'and containers may use the taps',
    ],
  ],
  [
    'no folder',
    { folders: [] },
    ['error plugin: there is no folder of CNI plugins where runtimes have theirs'],
  ],
  ['no plugin', { folders: [{ path: '/a', plugin: null }] }, ['error plugin: tapwire is not in /a']],
  ['not executable', withPlugin({ isExecutable: false }), ['error /bin/tapwire: cannot be executed']],
  [
    "others'",
    withPlugin({ isRootsAlone: false }),
    ['error /bin/tapwire: others than root may change what root runs'],
  ],
  [
    'foreign',
    withPlugin({ version: null }),
    ['error /bin/tapwire: is not Tapwire, or not for this processor'],
  ],
  [
    'another file',
    withPlugin({ isOurs: false }),
    ['warning /bin/tapwire: is another file than this command came with'],
  ],
  ['came without', withPlugin({ isOurs: null }), []],
  ['no answer', withPlugin({ failure: 'Cannot do' }), ['error /bin/tapwire: Cannot do']],
  ['broken runtime', withPlugin({ runtime: BROKEN }), ['error /bin/.tapwire: it has no "node"']],
  [
    'no runtime',
    withPlugin({ runtime: NONE }),
    [
      'warning /bin/.tapwire: the runtime is not there, without which pods cannot start while the agent is away',
    ],
  ],
  [
    'neither',
    withPlugin({ runtime: NONE }, NO_AGENT),
    [
      'error /bin/.tapwire: the runtime is not there, without which pods cannot start while the agent is away',
      'error agent: is not here, nor a runtime that does without',
    ],
  ],
  [
    'no runtime wanted',
    withPlugin({ runtime: LEFT_OUT }),
    ['ok /bin/.tapwire: installed without the fallback runtime (--no-fallback)'],
  ],
  [
    'no runtime wanted, no agent',
    withPlugin({ runtime: LEFT_OUT }, NO_AGENT),
    [
      'error /bin/.tapwire: installed without the fallback runtime (--no-fallback)',
      'error agent: is not here, nor a runtime that does without',
    ],
  ],
  [
    'no agent',
    { agent: NO_AGENT },
    ['warning agent: is not here; every call starts Node.js by itself, one at a time'],
  ],
  [
    'dead agent',
    { agent: { ...AGENT, failure: 'ECONNREFUSED', ready: null, version: null } },
    ['error agent: does not answer at /s, and calls wait for it: ECONNREFUSED'],
  ],
  [
    'no health',
    { agent: { ...AGENT, ready: null, version: null } },
    ['warning agent health: nobody answers at http://h:1/readyz'],
  ],
  [
    'not ready',
    { agent: { ...AGENT, ready: { isReady: false, text: 'no tun' } } },
    ['error agent health: not ready: no tun'],
  ],
  [
    'old agent',
    { agent: { ...AGENT, version: '0.9.0' } },
    ['warning versions: the agent is 0.9.0, this command 1.0.0'],
  ],
  [
    'old plugin',
    withPlugin({ version: '0.9.0' }),
    [
      'ok /bin/tapwire: version 0.9.0, answers VERSION',
      'warning versions: /bin/tapwire is 0.9.0, this command 1.0.0',
    ],
  ],
  [
    'bad node file',
    { nodeFile: { path: '/n', isThere: true, failure: 'Cannot use' } },
    ['error node file: Cannot use'],
  ],
  [
    'no node file',
    { nodeFile: { path: '/n', isThere: false, failure: null } },
    ['ok node file: none at /n: every namespace may use the bindings'],
  ],
  [
    'no Multus',
    { confs: [] },
    ['warning default network: there is no Multus in /etc/cni/net.d, which calls bindings'],
  ],
  [
    'no JSON',
    { confs: [...GOOD.confs, { file: '/10', isMultus: null, hasTapwire: false }] },
    ['warning default network: /10 is no JSON'],
  ],
  [
    'ours in it',
    { confs: [{ file: '/00', isMultus: true, hasTapwire: true }] },
    ['error default network: /00 has type "tapwire", which would take the network of every pod'],
  ],
];
for (const [title, facts, want] of CASES) {
  test(`${title}: ${want[0] ?? 'nothing'}`, () => {
    const good = lines({});
    assert.equal(
      lines(facts).filter((line) => !good.includes(line)),
      want,
    );
    const asking = toFindings({ ...GOOD, ...facts }).filter(({ severity }) => severity !== 'ok');
    assert.ok(
      asking.every(({ advice }) => advice !== null),
      'what is not ok says what to do',
    );
  });
}

test.run();
