/**
 * Replays every call of Tapwire that a real cluster made (fixtures/recorded): the recorded
 * environment in its order, the recorded bytes on stdin, and a netns with the recorded links. Only
 * the path of the netns differs.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import { NODE } from '../helpers/agent/agent.ts';
import type { Json } from '../helpers/cluster/cni-runtime.ts';
import { outsideRoot } from '../helpers/plugin/outside-root.ts';
import { type RecordedCall, replayed, stdinOf } from '../helpers/plugin/recorded.ts';
import { addMacvlan, recordedPods, secondaryOf, withRecordedPod } from '../helpers/plugin/recorded-pod.ts';
import { type CommandLine, inOneWay, plugin, WAY } from '../helpers/plugin/way.ts';
import { dumpNetns, passtSysctls, sameNetns, type TestNetns } from '../helpers/pod/netns.ts';

const everyWay = suite('calls recorded in a cluster');
const test = inOneWay(everyWay);

type Netns = Readonly<Record<string, unknown>>;

interface Printed {
  readonly exit: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const SILENCE: Printed = { exit: 0, stdout: '', stderr: '' };

/** Recordings in which Tapwire 0.1.0 gave the wrong result, by name, with the correct output. */
const CHANGED: Readonly<Record<string, Printed>> = {
  // A NAD without cniVersion: ADD still rejects it, but DEL has nothing to delete and must not
  // fail.
  'thick-noversion-net1-DEL': SILENCE,
  'thin-noversion-net1-DEL': SILENCE,
};

async function run({ words, env }: CommandLine, input: string): Promise<Printed> {
  const [file, ...args] = words;
  const options = {
    input,
    env,
    extendEnv: false,
    reject: false,
    cwd: '/',
    stripFinalNewline: false,
  } as const;
  const { exitCode, stdout, stderr } = await execa(file, args, options);
  return { exit: exitCode, stdout, stderr };
}

/** Makes the call, with `path` in place of the recorded path of the pod's netns. */
async function repeat(call: RecordedCall, path: string): Promise<Printed> {
  const recorded = call.env['CNI_NETNS'];
  const here = (text: string) => (recorded ? text.replaceAll(recorded, path) : text);
  const env = Object.fromEntries(Object.entries(call.env).map(([name, value]) => [name, here(value)]));
  const commandLine = await plugin(env);
  const input = here(stdinOf(call));
  return run(call.cwd.isRoot ? commandLine : await outsideRoot(commandLine), input);
}

/** Parts of messages that have a clearer wording since the recordings. */
const REWORDED = {
  'every pod on this network would lose it to a tap':
    'it would take eth0 away from every pod on this network',
};

const reworded = (text: string): string =>
  Object.entries(REWORDED).reduce((now, [then, since]) => now.replaceAll(then, since), text);

/**
 * Returns what the call printed in the cluster, with `path` in place of the recorded path, and in
 * the wording of today.
 */
function expected(call: RecordedCall, path: string): Printed {
  const recorded = call.env['CNI_NETNS'];
  const stdout = reworded((call.stdoutRaw ?? '').replaceAll(recorded || path, path));
  return CHANGED[call.name] ?? { exit: call.exit, stdout, stderr: reworded(call.stderr) };
}

/** Hides the times in log lines, which differ from those of the recording. */
const timeless = ({ stderr, ...printed }: Printed): Printed => ({
  ...printed,
  stderr: stderr.replace(/"time":"[^"]*"/g, '"time":"…"'),
});

/**
 * Every fifth pod runs in every way, the others only with the agent. This sample contains each
 * caller and each current directory.
 */
const SAMPLED = 5;

for (const [index, pod] of recordedPods().entries()) {
  const names = pod.calls.map(({ name }) => name);
  const register = index % SAMPLED === 0 ? everyWay : test;
  register(`${pod.title}: ${names.join(', ')} print and wire as in the cluster`, () =>
    withRecordedPod(pod, async (netns, node) => {
      /** State of the netns before the first ADD of each attachment. */
      const before = new Map<string, Netns>();
      for (const call of pod.calls) {
        const link = secondaryOf(call, pod);
        const isNew = link !== undefined && call.command === 'ADD';
        if (isNew) await addMacvlan(netns, node, link, pod.secondary.get(link) ?? '');
        const was = await dumpNetns(netns);
        const printed = timeless(await repeat(call, netns.path));
        assert.equal(printed, timeless(expected(call, netns.path)), call.name);

        const now = await dumpNetns(netns);
        if (call.command === 'ADD') before.set(call.ifname, was);
        if (call.command === 'ADD' && printed.exit === 0) await assertWired(call, link, netns, was, now);
        else sameNetns(now, (call.env['CNI_NETNS'] && before.get(call.ifname)) || was, `after ${call.name}`);
        if (link !== undefined && call.command === 'DEL') await netns.ip(`link del ${link}`);
      }
      replayed(
        `by ${WAY}`,
        pod.calls.map(({ path }) => path),
      );
    }),
  );
}

/** Asserts that the netns has what ADD should add, and that everything else is as before. */
async function assertWired(
  { name, stdin, env }: RecordedCall,
  podLink = 'eth0',
  netns: TestNetns,
  was: Netns,
  now: Netns,
): Promise<void> {
  if (stdin.binding === 'passt') {
    sameNetns(now, was, name);
    assert.equal(await passtSysctls(netns), [0, 107, 107], name);
    return;
  }
  const tap = podLink === 'eth0' ? 'tap0' : secondaryTapIfname(podLink);
  const links = now['links'] as Json[];
  const { mtu, txqlen, linkinfo, ifalias } = links.find(({ ifname }) => ifname === tap) ?? {};
  const { type, user, group, multi_queue: multiQueue, persist } = linkinfo?.info_data ?? {};
  const { mtu: podMtu } = links.find(({ ifname }) => ifname === podLink);
  assert.equal(
    { mtu, type, user, group, multiQueue, persist },
    { mtu: podMtu, type: 'tap', user: 107, group: 107, multiQueue: stdin.multiQueue ?? false, persist: true },
    name,
  );
  assert.ok(txqlen > 0, name);
  const record = `tapwire/1 container=${env['CNI_CONTAINERID']} ifname=${env['CNI_IFNAME']} binding=tap link=${podLink} mtu=${mtu} `;
  assert.is(ifalias.slice(0, record.length), record, name);
  assert.equal(
    [await redirectsFrom(netns, podLink), await redirectsFrom(netns, tap)],
    [[tap], [podLink]],
    name,
  );
  const tables = tablesOf(now).filter((table) => !tablesOf(was).includes(table));
  assert.equal(
    tables.map((table) => table.replace(/ tapwire-[0-9a-f]{16}$/, '')),
    ['arp', 'inet'],
    name,
  );
  for (const link of [podLink, tap])
    assert.match(String(now['nftables']), `oifname "${link}" counter drop`, name);
  sameNetns(
    withoutWiring(now, podLink, tap),
    withoutWiring(was, podLink, tap),
    `${name} changes nothing else`,
  );
}

/** Family and name of each nftables table, sorted. */
const tablesOf = ({ nftables }: Netns): readonly string[] =>
  [...String(nftables).matchAll(/^table (\w+ \S+) \{/gm)].map(([, table = '']) => table).sort();

/** Lists the links to which filters redirect all frames that arrive at a link. */
async function redirectsFrom({ tc }: TestNetns, ifname: string): Promise<string[]> {
  const filters = await tc(`filter show dev ${ifname} ingress`);
  return [...filters.matchAll(/Egress Redirect to device (\S+)\)/g)].map(([, to = '']) => to);
}

/**
 * Returns a dump without all that ADD changes: the tap, nftables, and the pod link's ingress qdisc
 * and allmulticast.
 */
function withoutWiring(dump: Netns, podLink: string, tap: string): Netns {
  const others = (section: string) =>
    (dump[section] as Json[]).filter((entry) => (entry.ifname ?? entry.dev) !== tap);
  const qdiscs = String(dump['qdiscs']).split('\n');
  const filters = Object.entries(dump['filters'] as Record<string, string>);
  return {
    ...dump,
    nftables: null,
    links: others('links').map((link) => {
      if (link.ifname !== podLink) return link;
      const { allmulti: _, flags, ...rest } = link;
      return { ...rest, flags: flags.filter((flag: string) => flag !== 'ALLMULTI') };
    }),
    addresses: others('addresses'),
    routes4: others('routes4'),
    routes6: others('routes6'),
    qdiscs: qdiscs.filter((line) => ![podLink, tap].some((link) => line.includes(` dev ${link} `))),
    filters: Object.fromEntries(
      filters.filter(([title]) => ![podLink, tap].includes(title.split(' ')[1] ?? '')),
    ),
  };
}

/** A program that prints its current directory in the form of the recordings. */
const WHERE = `
  const { readlinkSync, statSync } = require('node:fs');
  const [here, root] = ['.', '/'].map((path) => statSync(path));
  let getcwd;
  try { getcwd = process.cwd(); } catch (error) { getcwd = error.code; }
  const isRoot = here.ino === root.ino && here.dev === root.dev;
  console.log(JSON.stringify({ link: readlinkSync('/proc/self/cwd'), getcwd, isRoot }));`;

test('replays run in the recorded directory: the root or, for Multus thick, one outside of it', async () => {
  const probe = { words: [NODE, '-e', WHERE] as const, env: {} };
  const [inside, outside] = await Promise.all([run(probe, ''), run(await outsideRoot(probe), '')]);
  for (const { cwd, caller, name } of recordedPods().flatMap(({ calls }) => calls)) {
    const { stdout } = caller === 'thick' ? outside : inside;
    const getcwd = cwd.getcwd === 'No such file or directory' ? 'ENOENT' : cwd.getcwd;
    assert.equal(JSON.parse(stdout), { ...cwd, getcwd }, name);
  }
});

everyWay.run();
