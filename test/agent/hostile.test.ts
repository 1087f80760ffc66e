/**
 * Clients that are not a shim, or are broken or slow: the agent survives them, serves the other
 * clients meanwhile and keeps nothing that belongs to them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import {
  type AgentNode,
  assertWhole,
  descriptorCount,
  metricsOf,
  page,
  settled,
  succeeded,
  until,
  withEmptyNode,
  within,
} from '../helpers/agent/agent-node.ts';
import { frame, knock, type Reply, type Sender, variablesOf, withSender } from '../helpers/agent/sender.ts';
import { sharedNode, type Trap } from '../helpers/agent/trap.ts';
import { environmentOf, netconf } from '../helpers/plugin/cni.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('the agent and hostile clients');

const MIB = 1024 * 1024;
const HOST = 'read:/proc/self/ns/net';

const input = (conf: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(netconf({ conf, network: 'default' }));
const request = (command: string, netns: string, conf: Readonly<Record<string, unknown>> = {}): Buffer =>
  frame(variablesOf(environmentOf(command, { netns })), input(conf));

interface Scene extends AgentNode {
  readonly agent: Agent;
  readonly trap: Trap;
  readonly sender: Sender;
  readonly pod: TestNetns;
  /** Asserts that the agent serves another client meanwhile. */
  othersAreServed(): Promise<void>;
  /** Number of clients rejected for this reason since the attack began. */
  turnedAway(reason: 'slow' | 'broken'): Promise<number>;
}

const ourNode = sharedNode();

/** Runs an attack on the agent, then asserts that the agent has nothing left of it. */
async function attacked(act: (scene: Scene) => Promise<void>): Promise<void> {
  const node = await ourNode();
  const { agent, socket } = node;
  const count = async (reason: string) =>
    (await metricsOf(agent)).value('tapwire_cni_callers_turned_away_total', { reason });
  const earlier = { slow: await count('slow'), broken: await count('broken') };
  await withPod('eth0', (pod) =>
    withPod('eth0', (bystander) =>
      withSender(socket, async (sender) => {
        const othersAreServed = async () => {
          succeeded(await within('ADD of somebody else', node.call('ADD', bystander)), 'ADD');
          const { status } = await within('/healthz', page(agent, '/healthz'));
          assert.is(status, 200);
          succeeded(await within('DEL of somebody else', node.call('DEL', bystander)), 'DEL');
        };
        await othersAreServed();
        const descriptors = descriptorCount(agent);
        const before = await dumpNetns(pod);
        const turnedAway = async (reason: 'slow' | 'broken') => (await count(reason)) - earlier[reason];
        await act({ ...node, sender, pod, othersAreServed, turnedAway });
        await settled(agent, descriptors);
        await assertWhole(node, pod, before, 'after the attack');
      }),
    ),
  );
}

const codeOf = (reply: Reply | null): number | null =>
  reply === null ? null : reply.stdout === '' ? 0 : (JSON.parse(reply.stdout).code ?? 0);

test('500 silent clients do not keep others from being served, and are disconnected', () =>
  attacked(async ({ socket, turnedAway, othersAreServed }) => {
    const callers: Socket[] = [];
    for (let i = 0; i < 500; i++) callers.push(await knock(socket));
    await othersAreServed();
    assert.ok((await turnedAway('slow')) > 0, 'some were sent away');
    for (const caller of callers) caller.destroy();
  }));

test('clients that send an occasional byte, or half a header, are disconnected after a timeout', () =>
  attacked(async ({ socket, turnedAway, pod, othersAreServed }) => {
    const bytes = request('ADD', pod.path);
    const callers = await Promise.all(Array.from({ length: 40 }, () => knock(socket)));
    let isOver = false;
    const attack = (async () => {
      for (let at = 0; !isOver; at++) {
        for (const caller of callers.slice(0, 20)) caller.write(bytes.subarray(at, at + 1));
        await sleep(100);
      }
    })();
    for (const caller of callers.slice(20)) caller.write(bytes.subarray(0, 8));
    await othersAreServed();
    await until('all are sent away', () => callers.every((caller) => caller.closed)); // after 5 s
    isOver = true;
    await attack;
    assert.is(await turnedAway('slow'), 40);
  }));

const ABSURD = [
  ['an environment of 4 GiB', frame([], '', [0xffffffff, 0])],
  ['an environment of 1 MiB plus a byte', frame([], '', [MIB + 1, 0])],
  ['stdin of 4 GiB', frame([], '', [0, 0xffffffff])],
  ['stdin of 1 MiB plus two bytes', frame([], '', [0, MIB + 2])],
  ['another protocol version', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['a byte after the request', Buffer.concat([request('VERSION', ''), Buffer.of(0)])],
  ['two requests at once', Buffer.concat([request('VERSION', ''), request('VERSION', '')])],
] as const;

test('invalid requests get no reply', () =>
  attacked(async ({ turnedAway, sender, othersAreServed }) => {
    for (const [what, bytes] of ABSURD) assert.is(await sender.send('read', bytes, HOST), null, what);
    assert.is(await turnedAway('broken'), ABSURD.length);
    await othersAreServed();
  }));

test('requests with too few or too many descriptors are rejected', () =>
  attacked(async ({ turnedAway, sender, pod, othersAreServed }) => {
    const bytes = request('ADD', pod.path);
    const netns = `read:${pod.path}`;
    for (const descriptors of [[], [HOST, netns, netns], [`200*${netns}`], ['253*pipe:']]) {
      assert.is(await sender.send('read', bytes, ...descriptors), null, descriptors.join(' '));
    }
    assert.is(await turnedAway('broken'), 4);
    assert.is(codeOf(await sender.send('read', bytes, HOST)), 8, 'a request for a netns that was not passed');
    await othersAreServed();
  }));

test('descriptors that are not a netns, or are the wrong netns, are rejected', () =>
  attacked(async ({ directory, sender, pod, othersAreServed }) => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const netns = `read:${pod.path}`;
    const refused =
      /"(CNI_NETNS|netns|plugin's netns)|no network namespace|did not pass it|should not be the same/;
    const cases: readonly (readonly [own: string, netns: string])[] = [
      ...[`read:${file}`, 'pipe:', 'read:/dev/null', `path:${pod.path}`, 'read:/proc/self/ns/mnt'].map(
        (descriptor) => [HOST, descriptor] as const,
      ),
      [HOST, HOST], // the host netns
      [netns, HOST], // and with a false client netns
      [netns, netns],
      [`read:${file}`, netns],
      ['pipe:', netns],
    ];
    for (const [own, passed] of cases) {
      const reply = await sender.send('read', request('ADD', pod.path), own, passed);
      assert.ok(codeOf(reply), `ADD with ${own} ${passed} fails`);
      assert.match(reply?.stdout ?? '', refused, `${own} ${passed}`);
      // Whatever the reply is, nothing is left.
      await sender.send('read', request('DEL', pod.path), own, passed);
    }
    await othersAreServed();
  }));

test("variables that are not CNI's, are invalid or appear twice are rejected", () =>
  attacked(async ({ directory, sender, othersAreServed }) => {
    const trace = join(directory, 'node-options');
    const foreign = [`NODE_OPTIONS=--trace-event-file-pattern=${trace}`, 'TAPWIRE_NODE_FILE=/x', 'PATH=/x'];
    const ask = (...variables: (string | Uint8Array)[]) =>
      sender.send('read', frame(variables, input()), HOST);
    assert.is(codeOf(await ask('CNI_COMMAND=VERSION', ...foreign, '__proto__=x', 'constructor=x')), 0);
    assert.is(codeOf(await ask('CNI_COMMAND=VERSION', 'CNI_ARGS', '=', '', '=x', 'CNI_=x')), 0);
    assert.is(
      codeOf(await ask('CNI_COMMAND=VERSION', Buffer.of(0xff, 0xfe), Buffer.from('CNI_ARGS=\xff', 'latin1'))),
      0,
    );
    assert.is(codeOf(await ask('CNI_COMMAND=VERSION', 'CNI_COMMAND=__proto__')), 4, 'one of them counts');
    assert.is(codeOf(await ask('__proto__=x')), 4, 'no command');
    assert.is(codeOf(await sender.send('read', frame([], ''), HOST)), 4, 'nothing at all');
    const unended = frame([], 'CNI_COMMAND=VERSION', ['CNI_COMMAND=VERSION'.length, 0]);
    assert.is(codeOf(await sender.send('read', unended, HOST)), 0, 'the last one has no end');
    await othersAreServed();
  }));

test('repeated input of the maximum size, and one byte more, does not make memory grow', () =>
  attacked(async ({ agent, sender, othersAreServed }) => {
    const status = () => readFileSync(`/proc/${agent.pid}/status`, 'utf8');
    const residentMib = () => Number(/^VmRSS:\s+(\d+) kB/m.exec(status())?.[1]) / 1024;
    const env = environmentOf('STATUS', { netns: '', env: { CNI_ARGS: 'x'.repeat(MIB - 1000) } });
    const ask = (bytes: number) =>
      sender.send('read', frame(variablesOf(env), Buffer.alloc(bytes, 'x')), HOST);
    for (let i = 0; i < 10; i++) assert.is(codeOf(await ask(MIB + 1)), 6);
    const before = residentMib();
    for (let i = 0; i < 30; i++) assert.is(codeOf(await ask(MIB + (i % 2))), 6);
    const grown = residentMib() - before;
    assert.ok(grown < 100, `${grown} MiB more after 60 MiB of input`);
    await othersAreServed();
  }));

test('clients that do not read their large results are disconnected after a timeout', () =>
  attacked(({ turnedAway, sender, pod, othersAreServed }) =>
    withPod('eth0', async (second) => {
      const routes = Array.from({ length: 20_000 }, (_, i) => ({ dst: `10.${i >> 8}.${i & 255}.0/24` }));
      const conf = { prevResult: { cniVersion: '1.0.0', routes } };
      const stay = (then: 'stay' | 'deaf', { path }: TestNetns) =>
        sender.stay(then, request('ADD', path, conf), HOST, `read:${path}`);
      const stops = [await stay('stay', pod), await stay('deaf', second)];
      await othersAreServed();
      await until('both are sent away', async () => (await turnedAway('slow')) === 2); // after 5 s
      for (const stop of stops) await stop();
    }),
  ));

test('clients that disconnect, or close their sending side, right after their request leave no half-done work', () =>
  attacked(async ({ sender, pod, othersAreServed }) => {
    const before = await dumpNetns(pod);
    const descriptors = [HOST, `read:${pod.path}`];
    for (let i = 0; i < 20; i++) {
      await sender.send(i % 2 === 0 ? 'leave' : 'half', request('ADD', pod.path), ...descriptors);
    }
    await othersAreServed();
    const probe = await dumpNetns(pod);
    // The agent may have served a client before it left: then everything is in place, otherwise
    // nothing.
    if (JSON.stringify(probe).includes('tap0')) return;
    sameNetns(probe, before);
  }));

/** Starts an ADD, which the trap stops halfway, and breaks it off. */
type BreakOff = (sender: Sender, pod: TestNetns, inTheMiddle: () => Promise<void>) => Promise<void>;

const leaving =
  (then: 'stay' | 'deaf'): BreakOff =>
  async (sender, pod, inTheMiddle) => {
    const leave = await sender.stay(then, request('ADD', pod.path), HOST, `read:${pod.path}`);
    await inTheMiddle();
    await leave();
  };

const BROKEN_OFF: readonly (readonly [what: string, breakOff: BreakOff])[] = [
  ['leaves', leaving('stay')],
  ['leaves without reading the hello', leaving('deaf')],
  [
    'sends one more byte',
    async (sender, pod, inTheMiddle) => {
      const sendByte = await sender.more(request('ADD', pod.path), HOST, `read:${pod.path}`);
      await inTheMiddle();
      await sendByte();
    },
  ],
];

for (const [what, breakOff] of BROKEN_OFF) {
  test(`a client that ${what} in the middle of its ADD makes the agent roll it back`, () =>
    attacked(async ({ agent, trap, sender, pod, othersAreServed }) => {
      const rollbacks = async () => (await metricsOf(agent)).value('tapwire_cni_rollbacks_total');
      const earlier = await rollbacks();
      const before = await dumpNetns(pod);
      for (const [index, point] of (['create', 'persist', 'change', 'changed'] as const).entries()) {
        trap.set(point, 'hold');
        await breakOff(sender, pod, trap.reached);
        if (index === 0) await othersAreServed();
        trap.release();
        await until(
          `ADD stopped before "${point}" is rolled back`,
          async () => (await rollbacks()) > earlier + index,
        );
        await until('nothing is in flight', async () => {
          return (await metricsOf(agent)).value('tapwire_cni_requests_in_flight') === 0;
        });
        sameNetns(await dumpNetns(pod), before);
      }
    }));
}

test('an agent with too few descriptors for all clients tells those it cannot serve, and recovers', () =>
  withEmptyNode(async (node) => {
    const agent = await node.start({ under: ['prlimit', '--nofile=96:96', '--'] });
    await withPod('eth0', async (pod) => {
      const before = await dumpNetns(pod);
      const callers = await Promise.all(Array.from({ length: 100 }, () => knock(node.socket)));
      const { exitCode, stdout } = await within('ADD', node.call('ADD', pod));
      if (exitCode !== 0) {
        assert.match(JSON.parse(stdout).msg, /Too many open files/);
        sameNetns(await dumpNetns(pod), before);
      }
      for (const caller of callers) caller.destroy();
      await until('the agent answers again', async () => (await node.call('ADD', pod)).exitCode === 0);
      await assertWhole(node, pod, before, 'afterwards');
    });
    await agent.stop();
  }));

test.run();
