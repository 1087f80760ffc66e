/**
 * A pod that sabotages its own deletion with filters that cannot be listed, forged cookies, another
 * qdisc in place of Tapwire's, and taps that come and go. DEL ends, deletes what belongs to Tapwire
 * and leaves everything else.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boundedCall } from '../helpers/fuzz.ts';
import { type Answer, type Call, cni, environmentOf, netconf } from '../helpers/plugin/cni.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { addLargeFilter } from '../helpers/pod/large-filter.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';

const everyWay = suite('a hostile netns');
const test = inOneWay(everyWay);

/** With guest services and a guard, because then there is most to delete. */
const callOf = ({ path }: TestNetns): Call => ({
  netns: path,
  network: 'default',
  conf: { guestAddresses: 'pod', spoofGuard: 'addresses', prevResult: { cniVersion: '1.0.0' } },
});

const succeeded = ({ exitCode, stdout }: Answer, why: string): void =>
  assert.is(exitCode, 0, `${why}: ${stdout}`);

async function succeeds(command: string, pod: TestNetns, why = command): Promise<void> {
  succeeded(await cni(command, callOf(pod)), why);
}

/** A wired pod. */
const withWired = (act: (pod: TestNetns) => Promise<void>): Promise<void> =>
  withPod('eth0', async (pod) => {
    await succeeds('ADD', pod);
    await act(pod);
  });

const namesOf = async ({ ip }: TestNetns): Promise<readonly string[]> =>
  JSON.parse(await ip('-j link show')).map(({ ifname }: { ifname: string }) => ifname);

/**
 * The record of the tap, which every process in the pod can read, and a cookie that gives DEL three
 * things to undo on a link.
 */
async function recordOf({ ip }: TestNetns): Promise<{ readonly record: string; readonly cookie: string }> {
  const [{ ifalias }] = JSON.parse(await ip('-j link show dev tap0'));
  const hash = createHash('sha256').update('pod1\0net1').digest('hex').slice(0, 30);
  return { record: ifalias, cookie: `${hash}06` }; // allmulticast and the queue length
}

const LISTED = 'not all filters of "eth0" can be listed (Message too long)';

everyWay(
  'DEL deletes the tap and the redirect next to a filter that is too large for a dump, and leaves that filter and its qdisc',
  () =>
    withWired(async (pod) => {
      await addLargeFilter(pod, 'eth0', 1);
      await succeeds('DEL', pod, 'the first DEL');
      assert.not.ok((await namesOf(pod)).includes('tap0'));
      assert.match(await pod.tc('qdisc show dev eth0'), /clsact/);
      for (const pref of [65535, 65521, 65523])
        assert.is(
          await pod.tc(`filter show dev eth0 ingress pref ${pref}`),
          '',
          'the redirect and rules are gone',
        );
      await succeeds('DEL', pod, 'the second DEL');

      // The next ADD would find exactly what DEL has left, so compare without that filter.
      await pod.tc('filter del dev eth0 ingress pref 1');
      await succeeds('ADD', pod);
      await succeeds('DEL', pod);
      assert.match(await pod.tc('qdisc show dev eth0'), /clsact/);
    }),
);

everyWay('ADD and CHECK name the link of a filter that is too large for a dump, and give a remedy', () =>
  withWired(async (pod) => {
    await addLargeFilter(pod, 'eth0', 1);
    const wired = await namesOf(pod);
    for (const [command, code, start] of [
      ['ADD', 104, 'Cannot wire "tap0" to "eth0": '],
      ['CHECK', 106, 'Cannot confirm the wiring of "eth0": '],
    ] as const) {
      const { exitCode, json } = await cni(command, callOf(pod));
      assert.equal(
        [exitCode, json.code, json.msg],
        [1, code, `${start}${LISTED}; remove those that another program added`],
      );
    }
    assert.equal(await namesOf(pod), wired);
    await pod.tc('filter del dev eth0 ingress pref 1');
    for (const command of ['ADD', 'CHECK', 'DEL']) await succeeds(command, pod);
  }),
);

/** Adds 3 MB of filters to a link, so that a dump of one has more than Tapwire keeps. */
const addManyKeys = (pod: TestNetns, link: string) => {
  const keys = Array.from({ length: 15 }, (_, i) => `match u32 1 1 at ${4 * i}`).join(' ');
  const filters = Array.from(
    { length: 9000 },
    (_, i) => `filter add dev ${link} ingress pref ${1 + (i % 200)} protocol ip u32 ${keys} flowid 1:1`,
  );
  return batch('tc', pod, filters);
};

everyWay(
  'next to more filters than Tapwire reads, DEL deletes what is of Tapwire, and ADD and CHECK say so',
  () =>
    withWired(async (pod) => {
      await addManyKeys(pod, 'eth0');
      const many = 'not all filters of "eth0" can be listed (it has more than Tapwire reads)';
      for (const [command, start] of [
        ['ADD', 'Cannot wire "tap0" to "eth0": '],
        ['CHECK', 'Cannot confirm the wiring of "eth0": '],
      ] as const) {
        const { json } = await cni(command, callOf(pod));
        assert.is(json.msg, `${start}${many}; remove those that another program added`);
      }
      await succeeds('DEL', pod);
      assert.not.ok((await namesOf(pod)).includes('tap0'));
      assert.is(await pod.tc('filter show dev eth0 ingress pref 65535'), '', 'the redirect is gone');
      assert.match(await pod.tc('filter show dev eth0 ingress pref 1'), 'u32', 'the others are not');
      await pod.tc('filter del dev eth0 ingress');
      for (const command of ['ADD', 'CHECK', 'DEL']) await succeeds(command, pod);
    }),
);

test('more filters than Tapwire reads on a link of its own hinder no command', () =>
  withPod('eth0', async (pod) => {
    await pod.ip('link add eth1 type veth peer name host1');
    await pod.tc('qdisc add dev eth1 clsact');
    await addManyKeys(pod, 'eth1');
    for (const command of ['ADD', 'CHECK', 'DEL']) await succeeds(command, pod);
    assert.not.match(await pod.tc('qdisc show dev eth0'), /clsact/);
  }));

test('a filter that is too large for a dump, on a link of its own, hinders no command', () =>
  withPod('eth0', async (pod) => {
    await pod.ip('link add eth1 type veth peer name host1');
    await pod.tc('qdisc add dev eth1 clsact');
    await addLargeFilter(pod, 'eth1', 1);
    for (const command of ['ADD', 'CHECK', 'DEL']) await succeeds(command, pod);
    assert.not.match(await pod.tc('qdisc show dev eth0'), /clsact/);
  }));

test("DEL leaves a large filter in the place of Tapwire's redirect", () =>
  withWired(async (pod) => {
    await pod.tc('filter del dev eth0 ingress');
    await addLargeFilter(pod, 'eth0', 65535);
    await succeeds('DEL', pod);
    assert.equal(await namesOf(pod), ['lo', 'host0', 'eth0']);
    assert.match(await pod.tc('qdisc show dev eth0'), /clsact/);
  }));

test("the first DEL succeeds and leaves an ingress qdisc in place of Tapwire's clsact", () =>
  withWired(async (pod) => {
    await pod.tc('qdisc del dev eth0 clsact');
    await pod.tc('qdisc add dev eth0 ingress');
    await succeeds('DEL', pod);
    assert.equal(await namesOf(pod), ['lo', 'host0', 'eth0']);
    assert.match(await pod.tc('qdisc show dev eth0'), /qdisc ingress ffff:/);
  }));

test("ADD uses an ingress qdisc in place of Tapwire's clsact, CHECK accepts it, and DEL leaves it as it was", () =>
  withWired(async (pod) => {
    await pod.tc('qdisc del dev eth0 clsact');
    await pod.tc('qdisc add dev eth0 ingress');
    assert.is((await cni('CHECK', callOf(pod))).json.code, 106);
    for (const command of ['ADD', 'CHECK']) await succeeds(command, pod);
    assert.match(
      await pod.tc('filter show dev eth0 parent ffff: pref 65535'),
      /Egress Redirect to device tap0/,
    );
    await succeeds('DEL', pod);
    assert.is(await pod.tc('filter show dev eth0 parent ffff:'), '');
    assert.match(await pod.tc('qdisc show dev eth0'), /qdisc ingress ffff:/);
  }));

for (const [why, qdisc, parent, rest] of [
  ['in another chain', 'ingress', 'parent ffff:', 'pref 65535 chain 5'],
  ['at another pref', 'ingress', 'parent ffff:', 'pref 7'],
  ['in another chain of a clsact', 'clsact', 'ingress', 'pref 65535 chain 5'],
  ['at the egress', 'clsact', 'egress', 'pref 65535'],
] as const) {
  test(`DEL succeeds and leaves a filter with Tapwire's cookie ${why}`, () =>
    withWired(async (pod) => {
      const { cookie } = await recordOf(pod);
      await pod.tc('qdisc del dev eth0 clsact');
      await pod.tc(`qdisc add dev eth0 ${qdisc}`);
      const redirect = `u32 match u32 0 0 action mirred egress redirect dev host0 cookie ${cookie}`;
      await pod.tc(`filter add dev eth0 ${parent} protocol all ${rest} ${redirect}`);
      for (let i = 0; i < 2; i++) await succeeds('DEL', pod);
      assert.equal(await namesOf(pod), ['lo', 'host0', 'eth0']);
      assert.match(await pod.tc(`filter show dev eth0 ${parent}`), new RegExp(cookie));
    }));
}

test("DEL deletes 300 filters with Tapwire's cookie, one on each of as many links", () =>
  withWired(async (pod) => {
    await addForgeries(pod, await forge(pod, 300), 300);
    await succeeds('DEL', pod);
    assert.is(await cookiesLeft(pod), 0);
    assert.not.ok((await namesOf(pod)).includes('tap0'));
  }));

test("DEL deletes 5,000 filters with Tapwire's cookie in the place of its redirect", () =>
  withWired(async (pod) => {
    const cookie = await forge(pod, 1);
    const filter = `filter add dev forged0 ingress pref 65535 protocol all u32 match u32 0 0 action mirred egress redirect dev lo cookie ${cookie}`;
    await batch('tc', pod, Array(5000).fill(filter));
    await succeeds('DEL', pod);
    assert.is(await cookiesLeft(pod), 0);
  }));

// ---- while a DEL is running

const batch = (program: string, { name }: TestNetns, lines: readonly string[]) =>
  execa(program, ['-n', name, '-force', '-batch', '-'], { input: lines.join('\n'), reject: false });

/** Links on which to forge filters, and Tapwire's cookie. */
async function forge(pod: TestNetns, links: number): Promise<string> {
  const names = Array.from({ length: links }, (_, i) => `forged${i}`);
  await batch(
    'ip',
    pod,
    names.map((link) => `link add ${link} type ifb`),
  );
  await batch(
    'tc',
    pod,
    names.map((link) => `qdisc add dev ${link} clsact`),
  );
  return (await recordOf(pod)).cookie;
}

/** Adds a redirect with Tapwire's cookie to each of those links. */
const addForgeries = (pod: TestNetns, cookie: string, links: number) =>
  batch(
    'tc',
    pod,
    Array.from(
      { length: links },
      (_, i) =>
        `filter add dev forged${i} ingress pref 65535 protocol all u32 match u32 0 0 action mirred egress redirect dev lo cookie ${cookie}`,
    ),
  );

/** Number of filters that still have Tapwire's cookie. */
async function cookiesLeft({ path }: TestNetns): Promise<number> {
  const show =
    'tc qdisc show | sed -n "s/^qdisc clsact.* dev \\([^ ]*\\) .*/\\1/p" | while read -r l; do tc filter show dev "$l" ingress; done';
  const { stdout } = await execa('nsenter', [`--net=${path}`, 'sh', '-c', show]);
  return stdout.split('\n').filter((line) => line.includes('cookie')).length;
}

/**
 * Starts a process in the pod that creates and drops taps with Tapwire's record. Given a link, it
 * also floods every listener for link notifications.
 */
async function withAttack(pod: TestNetns, words: readonly string[], act: () => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-attack-'));
  try {
    const program = join(directory, 'attack');
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];
    await execa('gcc', [...flags, '-o', program, join(import.meta.dirname, 'attack.c')]);
    const dying = ['--pdeathsig', 'KILL', '--'];
    const attack = execa('setpriv', [...dying, program, pod.path, ...words], { reject: false });
    try {
      await act();
    } finally {
      attack.kill('SIGKILL');
      await attack;
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const FORGED_LINKS = 200;
/** A plugin without deadlines hangs in one of the first four rounds. */
const ROUNDS = 10;

for (const [why, flooded] of [
  ['come and go', []],
  ['come and go in a flood of notifications', ['host0']],
] as const) {
  test(`each DEL ends while taps with Tapwire's record ${why}; another pod is wired, and a last DEL cleans up`, () =>
    withPod('eth0', (other) =>
      withPod('eth0', async (pod) => {
        const before = await dumpNetns(other);
        await succeeds('ADD', pod);
        const { record } = await recordOf(pod);
        const cookie = await forge(pod, FORGED_LINKS);
        await withAttack(pod, [record, ...flooded], async () => {
          for (let round = 1; round <= ROUNDS; round++) {
            await addForgeries(pod, cookie, FORGED_LINKS);
            const call = callOf(pod);
            const { timedOut, exitCode, stdout } = await boundedCall(
              environmentOf('DEL', call),
              JSON.stringify(netconf(call)),
            );
            assert.not.ok(timedOut, `DEL ${round} ends`);
            assert.ok(exitCode === 0 || exitCode === 1, `DEL ${round} says how`);
            assert.ok(stdout.length < 2000, `DEL ${round} says ${stdout.length} characters`);
          }
          for (const command of ['ADD', 'CHECK', 'DEL']) {
            await succeeds(command, other, `${command} of another pod`);
          }
        });
        sameNetns(await dumpNetns(other), before);
        await addForgeries(pod, cookie, FORGED_LINKS);
        await succeeds('DEL', pod, 'DEL when the attack is over');
        assert.is(await cookiesLeft(pod), 0);
        assert.not.match(await pod.ip('link show'), /tapwire\/1/);
      }),
    ));
}

everyWay.run();
