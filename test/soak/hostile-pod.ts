/**
 * A pod whose owner has NET_ADMIN in it, and works against the node: it forges, floods, locks and
 * vanishes, while the runtime calls ADD and DEL for it. Its own calls may fail; its last DEL must
 * not, and no other pod may notice.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { environmentOf } from '../helpers/plugin/cni.ts';
import { addLargeFilter } from '../helpers/pod/large-filter.ts';
import { type TestNetns, withPod } from '../helpers/pod/netns.ts';
import type { Node } from './node.ts';
import type { Outcome, Way } from './verdict.ts';

const SOURCE = resolve(import.meta.dirname, '../cni/attack.c');
const ID = 'hostile';
/** Links and filters of a pod that has many. */
const LINKS = 4000;
const FILTERS = 20_000;
/** Links and taps with a forged record. */
const [IFBS, TAPS] = [200, 20];
/** How long a lock or a flood lasts, in ms. */
const HOLD = 4000;
/** DELs of which one must succeed when the pod has stopped working against them. */
const DELS = 3;

interface Scene {
  readonly pod: TestNetns;
  /** Calls the plugin for the pod. */
  call(command: string, way: Way): Promise<Outcome>;
  /** Runs a program until the attack is over. */
  start(file: string, ...words: readonly string[]): ChildProcess;
}

/** `ip` or `tc` with commands from stdin, which may fail. */
const batch = (program: string, { name }: TestNetns, commands: readonly string[]) =>
  execa('nice', ['-n', '10', program, '-n', name, '-force', '-batch', '-'], {
    input: `${commands.join('\n')}\n`,
    reject: false,
  });

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** The cookie that Tapwire computes for the pod, which every process can compute. */
const COOKIE = `${createHash('sha256').update(`${ID}\0net1`).digest('hex').slice(0, 30)}07`;

const aliasOf = async ({ ip }: TestNetns): Promise<string> => {
  const links: { ifname: string; ifalias?: string }[] = JSON.parse(await ip('-j link show'));
  return links.find(({ ifname }) => ifname === 'tap0')?.ifalias ?? 'tapwire/1 forged';
};

/** Each attack begins in a pod that ADD has wired. */
const ATTACKS: Readonly<Record<string, (scene: Scene, attacker: string) => Promise<unknown>>> = {
  'forged cookies and records': async ({ pod }) => {
    const alias = await aliasOf(pod);
    await batch('ip', pod, [
      ...numbers(IFBS).flatMap((i) => [`link add f${i} type ifb`, `link set f${i} alias "${alias}"`]),
      ...numbers(TAPS).flatMap((i) => [`tuntap add dev t${i} mode tap`, `link set t${i} alias "${alias}"`]),
    ]);
    const forged = (await pod.ip('-j link show')).split(alias).length - 1;
    if (forged < IFBS + TAPS) throw new Error(`Cannot forge records: only ${forged} links have one`);
    const filter = (i: number) =>
      `filter add dev eth0 ingress pref ${60_000 + i} protocol all chain ${i % 5} u32 match u32 0 0 action mirred egress redirect dev host0 cookie ${COOKIE}`;
    await batch('tc', pod, numbers(500).map(filter));
  },
  'another qdisc': ({ pod }) =>
    batch('tc', pod, [
      'qdisc del dev eth0 clsact',
      'qdisc add dev eth0 ingress',
      `filter add dev eth0 parent ffff: pref 65535 protocol all chain 5 u32 match u32 0 0 action mirred egress redirect dev host0 cookie ${COOKIE}`,
    ]),
  'a filter too large for a dump': ({ pod }) => addLargeFilter(pod, 'eth0', 1),
  'a flood of changes': async ({ pod, start, call }, attacker) => {
    start(attacker, pod.path, await aliasOf(pod), 'host0');
    for (const way of ['agent', 'one-shot'] as const) {
      void call('CHECK', way);
      await call('DEL', way);
      await call('ADD', way);
    }
    await sleep(HOLD);
  },
  'a lock that is held': async ({ pod, start, call }) => {
    start('flock', pod.path, 'sleep', '1000');
    const calls = numbers(8).map((i) => call(i % 2 ? 'ADD' : 'DEL', i % 3 ? 'agent' : 'one-shot'));
    await Promise.race([sleep(HOLD), Promise.all(calls)]);
  },
  'its end during a call': async ({ pod, call }) => {
    const calls = numbers(6).map((i) => call(i % 2 ? 'ADD' : 'DEL', i % 3 ? 'agent' : 'one-shot'));
    await sleep(Math.random() * 5);
    await execa('ip', ['netns', 'del', pod.name]);
    await Promise.all(calls);
    await execa('ip', ['netns', 'add', pod.name]); // the next sandbox, with the same path
  },
  'many links and filters': async ({ pod }) => {
    await batch(
      'ip',
      pod,
      numbers(LINKS).map((i) => `link add v${i} type ifb`),
    );
    await batch(
      'tc',
      pod,
      numbers(LINKS).map((i) => `qdisc add dev v${i} clsact`),
    );
    const filter = (i: number) =>
      `filter add dev eth0 ingress pref ${1 + (i % 200)} protocol ip u32 match ip dst 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32 flowid 1:1`;
    await batch('tc', pod, numbers(FILTERS).map(filter));
  },
};

export const ATTACK_COUNT = Object.keys(ATTACKS).length;

export interface AttackReports {
  begun(attack: string): void;
  ended(attack: string): void;
  problem(text: string): void;
}

/** Attacks until `isOver`, each time in a new pod with the same id. */
export async function attack(
  node: Node,
  directory: string,
  { begun, ended, problem }: AttackReports,
  isOver: () => boolean,
): Promise<void> {
  const attacker = join(directory, 'attacker');
  await execa('gcc', ['-O1', '-pthread', '-o', attacker, SOURCE]);
  const names = Object.keys(ATTACKS);
  for (let round = 0; !isOver(); round++) {
    const name = names[round % names.length] ?? '';
    begun(name);
    await withPod('eth0', async (pod) => {
      const calls: Promise<Outcome>[] = [];
      const call: Scene['call'] = (command, way) => {
        const calling = node.call(command, callFor(pod), way);
        calls.push(calling);
        return calling;
      };
      await call('ADD', 'agent');
      await withChildren((start) => ATTACKS[name]?.({ pod, call, start }, attacker));
      await Promise.all(calls);
      const way = round % 2 === 0 ? 'agent' : 'one-shot';
      let last: Outcome | undefined;
      for (let tries = 0; tries < DELS && last?.exitCode !== 0; tries++) last = await call('DEL', way);
      if (last?.exitCode !== 0) problem(`after ${name}, DEL by ${way} says ${last?.stdout} ${last?.stderr}`);
    });
    ended(name);
  }
}

/** Calls `act` with a function that starts programs, which are killed at the end. */
async function withChildren(act: (start: Scene['start']) => Promise<unknown> | undefined): Promise<void> {
  const children: ChildProcess[] = [];
  try {
    await act((file, ...words) => {
      const child = spawn(file, words, { stdio: 'ignore', detached: true });
      children.push(child);
      return child;
    });
  } finally {
    for (const { pid, exitCode } of children)
      if (pid !== undefined && exitCode === null) process.kill(-pid, 'SIGKILL');
  }
}

const callFor = ({ path }: TestNetns) => {
  const call = {
    netns: path,
    containerId: ID,
    network: 'default',
    conf: { guestAddresses: 'pod', spoofGuard: 'addresses', prevResult: { cniVersion: '1.0.0' } },
  };
  return { ...call, env: { CNI_ARGS: environmentOf('ADD', call)['CNI_ARGS'] ?? '' } };
};
