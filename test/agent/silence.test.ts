/**
 * Silence in the agent: how it acts on kernels that lack nf_tables or reject a batch, and how it
 * keeps the netfilter hooks in use.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import { type AgentNode, succeeded, until, withAgentNode } from '../helpers/agent/agent-node.ts';
import { type Action, type Point, sharedNode } from '../helpers/agent/trap.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('silence in an agent');
const ourNode = sharedNode();

const [EACCES, ENOMEM, EPROTONOSUPPORT, EOPNOTSUPP] = [13, 12, 93, 95];
const CONF = { prevResult: { cniVersion: '1.0.0' } };
const STATUS = { conf: { cniVersion: '1.1.0' } };

const recordOf = async ({ ip }: TestNetns): Promise<string> =>
  JSON.parse(await ip('-j link show dev tap0'))[0].ifalias;

const warningsOf = (stderr: string): readonly string[] =>
  stderr
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter(({ level }) => level === 'warn')
    .map(({ message }) => message);

/**
 * Runs a pod from ADD to DEL, wired without silence because the kernel fails at this point of ADD.
 */
async function livesWithout(point: Point, action: Action, warning: RegExp): Promise<void> {
  const { trap, ...node } = await ourNode();
  await withPod('eth0', async (pod) => {
    const before = await dumpNetns(pod);
    trap.set(point, action);
    const add = await node.call('ADD', pod);
    assert.ok(trap.isReached());
    succeeded(add);
    const [message = '', ...more] = warningsOf(add.stderr);
    assert.match(message, warning);
    assert.equal(more, []);
    assert.match(await recordOf(pod), / down=0 silence=0( |$)/);
    assert.is((await dumpNetns(pod))['nftables'], '');
    succeeded(await node.call('CHECK', pod, { conf: CONF }), 'CHECK');
    succeeded(await node.call('DEL', pod), 'DEL');
    sameNetns(await dumpNetns(pod), before);
  });
}

const NO_OPTIONS = '.*CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and CONFIG_NF_TABLES_ARP';
for (const [why, point, errno, words] of [
  ['without netfilter', 'netfilter', EPROTONOSUPPORT, 'open a netfilter socket: Protocol not supported'],
  [
    'whose SELinux policy denies the socket',
    'netfilter',
    EACCES,
    'open a netfilter socket: Permission denied',
  ],
  ['without a table family', 'batch', EOPNOTSUPP, 'send to netlink: Operation not supported'],
  ['that is out of memory', 'batch', ENOMEM, 'send to netlink: Cannot allocate memory'],
] as const) {
  test(`on a kernel ${why} ADD warns and wires the pod, and CHECK requires no rules`, () =>
    livesWithout(
      point,
      errno,
      new RegExp(`^Cannot silence the pod's own stack on "eth0" and "tap0": ${words}; ${NO_OPTIONS}`),
    ));
}

test('a table of the same name that a process of the pod owns makes ADD warn and wire; DEL leaves the table', async () => {
  const { call } = await ourNode();
  await withPod('eth0', async (pod) => {
    const inPod = (...words: readonly string[]) => execa('ip', ['netns', 'exec', pod.name, ...words]);
    succeeded(await call('ADD', pod));
    const rules = (await inPod('nft', 'list', 'tables')).stdout;
    const table = /table inet (\S+)/.exec(rules)?.[1] ?? '';
    succeeded(await call('DEL', pod));
    await withOwner(pod, table, async () => {
      const add = await call('ADD', pod);
      succeeded(add);
      assert.match(warningsOf(add.stderr)[0] ?? '', /nftables: Operation not permitted/);
      succeeded(await call('DEL', pod), 'DEL, whoever owns that table');
      assert.match((await inPod('nft', 'list', 'tables')).stdout, table);
    });
  });
});

/** Lets a process of the pod own a table. While it runs, no other process can change the table. */
async function withOwner(pod: TestNetns, table: string, act: () => Promise<void>): Promise<void> {
  const owner = execa('ip', ['netns', 'exec', pod.name, 'nft', '-i'], { reject: false, stdin: 'pipe' });
  owner.stdin.write(`add table inet ${table} { flags owner; }\n`);
  await until('the table is there', async () => `${(await dumpNetns(pod))['nftables']}`.includes(table));
  try {
    await act();
  } finally {
    owner.kill('SIGKILL');
    await owner;
  }
}

test('STATUS and /readyz on a kernel without nf_tables warn, and the node can wire pods', async () => {
  const { trap, call } = await ourNode();
  await withPod('eth0', async (pod) => {
    succeeded(await call('STATUS', pod, STATUS));
    trap.set('netfilter', EPROTONOSUPPORT);
    const { exitCode, stdout, stderr } = await call('STATUS', pod, STATUS);
    assert.equal([exitCode, stdout], [0, '']);
    assert.match(warningsOf(stderr)[0] ?? '', new RegExp(`^Cannot silence pods on this node: ${NO_OPTIONS}`));
  });
});

test('STATUS fails without nf_tables for links only if the configuration needs it, and names the option', async () => {
  const { trap, call } = await ourNode();
  await withPod('eth0', async (pod) => {
    const statusOf = (keys: object) => call('STATUS', pod, { conf: { ...STATUS.conf, ...keys } });
    for (const [keys, asked] of [
      [{ guestAddresses: 'pod' }, '"guestAddresses": "pod"'],
      [{ spoofGuard: 'mac' }, '"spoofGuard": "mac"'],
    ] as const) {
      trap.set('batch', EOPNOTSUPP, 3); // silence, silence again, and the floor
      const { exitCode, stdout } = await statusOf(keys);
      assert.ok(trap.isReached());
      const { code, msg } = JSON.parse(stdout);
      assert.equal([exitCode, code], [1, 50]);
      assert.match(
        msg,
        new RegExp(
          `^Cannot wire pods with ${asked} on this node: Cannot keep frames .* needs CONFIG_NF_TABLES_NETDEV and CONFIG_NFT_LIMIT$`,
        ),
      );
    }
    trap.set('batch', EOPNOTSUPP, 2);
    succeeded(await statusOf({}));
    assert.not.ok(trap.isReached(), 'without the keys, STATUS does not try');
    trap.set('batch', EOPNOTSUPP, 99); // disarms it
  });
});

/** The nftables rulesets of the foreign netns that a process holds open. */
async function heldRules({ pid }: Agent): Promise<readonly string[]> {
  const own = readlinkSync(`/proc/${pid}/ns/net`);
  const held = readdirSync(`/proc/${pid}/fd`)
    .map((fd) => `/proc/${pid}/fd/${fd}`)
    .filter((path) => /^net:/.test(readlinkSync(path)) && readlinkSync(path) !== own);
  return Promise.all(
    held.map(async (path) => (await execa('nsenter', [`--net=${path}`, 'nft', 'list', 'ruleset'])).stdout),
  );
}

test('the agent holds one netns that uses the hooks of all families from its start', async () => {
  const [rules = '', ...more] = await heldRules((await ourNode()).agent);
  assert.match(rules, /table inet [^}]*type filter hook output priority raw; policy accept;/);
  assert.match(rules, /table inet [^}]*type filter hook input priority raw; policy accept;/);
  assert.match(rules, /table netdev [^}]*type filter hook ingress device "lo" priority /);
  assert.match(rules, /table arp [^}]*type filter hook output priority -300; policy accept;/);
  assert.equal(more, []);
});

/** The capabilities that the DaemonSet gives its container. */
const CAPABILITIES = ['net_admin', 'sys_admin'];
const CONTAINER = [
  'setpriv',
  `--bounding-set=-all,${CAPABILITIES.map((name) => `+${name}`).join(',')}`,
  `--inh-caps=-all,${CAPABILITIES.map((name) => `+${name}`).join(',')}`,
  '--',
];

test("the DaemonSet's capabilities are enough to silence a pod", () =>
  withAgentNode(
    (node: AgentNode) =>
      withPod('eth0', async (pod) => {
        const add = await node.call('ADD', pod);
        succeeded(add);
        assert.is(add.stderr, '');
        assert.match(await recordOf(pod), / silence=1( |$)/);
        assert.match(`${(await dumpNetns(pod))['nftables']}`, 'oifname "eth0"');
        succeeded(await node.call('DEL', pod));
      }),
    { under: CONTAINER },
  ));

test.run();
