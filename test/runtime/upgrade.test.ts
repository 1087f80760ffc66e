/**
 * Two versions on one node, with pods that the other one has wired: the version before, built from
 * git, and this one. A pod is judged by the record that its own ADD wrote: ADD, CHECK and DEL of
 * the other version succeed, and CHECK requires nothing that ADD did not do.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import {
  type Build,
  type Caller,
  NEW,
  oneShotOf,
  shimOf,
  versionBefore,
  withAgents,
} from '../helpers/cluster/version-before.ts';
import { callOf, KINDS, type PodKind, PRIMARY, withPodOf } from '../helpers/plugin/kinds.ts';
import { dumpNetns, passtSysctls, sameNetns, type TestNetns } from '../helpers/pod/netns.ts';

const test = suite('an upgrade with running VMs');

/** A pod of this kind, and its state before the first call. */
interface Pod {
  readonly kind: PodKind;
  readonly netns: TestNetns;
  readonly before: Readonly<Record<string, unknown>>;
  /** Makes a call; fails unless it succeeds. */
  readonly succeeds: (caller: Caller, command: 'ADD' | 'CHECK' | 'DEL', why: string) => Promise<void>;
}

const withKind = (kind: PodKind, act: (pod: Pod) => Promise<void>): Promise<void> =>
  withPodOf(kind, async (netns) => {
    const before = await dumpNetns(netns);
    let result: object | undefined;
    await act({
      kind,
      netns,
      before,
      async succeeds(caller, command, why) {
        const answer = await caller(command, callOf(kind, netns, command, result));
        assert.is(answer.exitCode, 0, `${why}: ${command} says ${answer.stdout} ${answer.stderr}`);
        if (command === 'ADD') result = answer.json;
        const { links } = await dumpNetns(netns);
        const names = (links as { ifname: string }[]).map(({ ifname }) => ifname);
        if (kind.tap !== null) assert.is(names.includes(kind.tap), command !== 'DEL', `${why}: the tap`);
      },
    });
  });

/** ADD by the old version, then only calls of this version. */
async function upgraded(pod: Pod, old: Caller, now: Caller, how: string): Promise<void> {
  const { netns, before, succeeds } = pod;
  for (const again of [false, true]) {
    const why = `${how}, ${again ? 'with another ADD' : 'without another ADD'}`;
    await succeeds(old, 'ADD', why);
    const wired = await dumpNetns(netns);
    await succeeds(now, 'CHECK', why);
    sameNetns(await dumpNetns(netns), wired, `${why}: CHECK changes nothing`);
    if (again) {
      await succeeds(now, 'ADD', why);
      await succeeds(now, 'CHECK', `${why}, again`);
      await succeeds(old, 'CHECK', `${why}, by the old version again`);
    }
    await succeeds(now, 'DEL', why);
    sameNetns(await dumpNetns(netns), before, `${why}: DEL`);
    await succeeds(now, 'DEL', `${why}, again`);
  }
}

/** ADD by this version, then calls of the version before, then calls of this version again. */
async function downgraded(pod: Pod, old: Caller, now: Caller, how: string): Promise<void> {
  const { kind, netns, before, succeeds } = pod;
  for (const last of ['old', 'new'] as const) {
    for (const again of [false, true]) {
      const why = `${how}, ${again ? 'with' : 'without'} an old ADD, DEL by the ${last} version`;
      await succeeds(now, 'ADD', why);
      const wired = await dumpNetns(netns);
      await succeeds(old, 'CHECK', why);
      if (again) {
        await succeeds(old, 'ADD', why);
        sameNetns(withoutRecords(await dumpNetns(netns)), withoutRecords(wired), `${why}: the old ADD`);
        await succeeds(old, 'CHECK', `${why}, again`);
        await succeeds(now, 'CHECK', `${why}, by the new version again`);
      }
      if (last === 'old') {
        await succeeds(old, 'DEL', why);
        if (!kind.isDown) sameNetns(withoutRules(await dumpNetns(netns)), withoutRules(before), why);
      }
      await succeeds(now, 'DEL', why);
      // No version sets a link down whose record does not say that it was. The pod ends with the
      // link up.
      if (kind.isDown && (last === 'old' || again)) await netns.ip('link set eth0 down');
      sameNetns(await dumpNetns(netns), before, why);
    }
  }
}

/** The old version rewrites a record in its own form, without the keys that it does not know. */
function withoutRecords(dump: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const links = dump['links'] as { ifalias?: string }[];
  return { ...dump, links: links.map(({ ifalias: _, ...link }) => link) };
}

/**
 * The old version does not know the rules that silence the pod's own stack, and leaves them to DEL
 * of the new one.
 */
const withoutRules = ({ nftables: _, ...known }: Readonly<Record<string, unknown>>) => known;

const builds = async (): Promise<readonly [old: Build, now: Build]> => [await versionBefore(), NEW];

/** Without an agent, the same code plans and applies the calls, so a sample is enough. */
const SAMPLE = ['veth', 'a link that is down', 'passt'];

for (const name of SAMPLE) {
  const kind = KINDS[name] as PodKind;
  test(`the new version takes over what the old one wired without an agent: ${name}`, async () => {
    const [old, now] = (await builds()).map(oneShotOf) as [Caller, Caller];
    await withKind(kind, (pod) => upgraded(pod, old, now, 'one-shot'));
  });

  test(`the old version takes over what the new one wired without an agent: ${name}`, async () => {
    const [old, now] = (await builds()).map(oneShotOf) as [Caller, Caller];
    await withKind(kind, (pod) => downgraded(pod, old, now, 'one-shot'));
  });
}

/** Both agents at once, as during an upgrade. The test chooses the one that gets the call. */
const withBoth = async (
  act: (shim: (shim: 'old' | 'new', agent: 'old' | 'new') => Caller) => Promise<void>,
): Promise<void> => {
  const both = await builds();
  await withAgents(both, async ([oldAgent, newAgent]) => {
    const agents = { old: oldAgent as Agent, new: newAgent as Agent };
    const [old, now] = both;
    await act((shim, agent) => shimOf(shim === 'old' ? old : now, agents[agent]));
  });
};

test('agents of both versions take over what the other one wired, from either shim', () =>
  withBoth(async (caller) => {
    for (const [name, kind] of Object.entries(KINDS)) {
      for (const shim of ['old', 'new'] as const) {
        const how = `${name}, ${shim} shim`;
        await withKind(kind, (pod) => upgraded(pod, caller(shim, 'old'), caller(shim, 'new'), how));
        await withKind(kind, (pod) => downgraded(pod, caller(shim, 'old'), caller(shim, 'new'), how));
      }
    }
  }));

test('a shim works with an agent of the other version, and agent and fallback take over from each other', () =>
  withBoth(async (caller) => {
    const [oldShot, newShot] = (await builds()).map(oneShotOf) as [Caller, Caller];
    await withKind(PRIMARY, (pod) => upgraded(pod, caller('new', 'old'), newShot, 'old agent, new one-shot'));
    await withKind(PRIMARY, (pod) => upgraded(pod, oldShot, caller('old', 'new'), 'old one-shot, new agent'));
    await withKind(PRIMARY, (pod) =>
      downgraded(pod, caller('new', 'old'), newShot, 'new one-shot, old agent'),
    );
    await withKind(PRIMARY, (pod) =>
      downgraded(pod, oldShot, caller('old', 'new'), 'new agent, old one-shot'),
    );
    for (const [shim, agent] of [
      ['old', 'new'],
      ['new', 'old'],
    ] as const) {
      for (const command of ['STATUS', 'GC', 'VERSION'] as const) {
        const call = { netns: '', conf: { cniVersion: '1.1.0' } };
        const { exitCode, stdout } = await caller(shim, agent)(command, call);
        assert.is(exitCode, 0, `${shim} shim, ${agent} agent: ${command} says ${stdout}`);
      }
    }
  }));

test('the old version rejects a node policy file with "macvtap", and with it each ADD, until the key is removed', async () => {
  const both = await builds();
  await withAgents(both, async (agents) => {
    for (const [i, build] of both.entries()) {
      const agent = agents[i] as Agent;
      const nodeFile = join(dirname(agent.socket), 'node.json');
      const caller = shimOf(build, agent);
      const entry = { resources: [{ name: 'vm-lan', lowerDevice: 'uplink0' }] };
      await withKind(PRIMARY, async ({ netns, before, succeeds }) => {
        writeFileSync(nodeFile, JSON.stringify({ tap: {}, macvtap: entry }));
        if (build.name === 'new') await succeeds(caller, 'ADD', 'with the key');
        else {
          const { exitCode, json } = await caller('ADD', { ...PRIMARY.call, netns: netns.path });
          const reason = 'Cannot read $: want only the keys tap, passt, got "macvtap"';
          assert.equal([exitCode, json.msg], [1, `Cannot use node file "${nodeFile}": ${reason}`]);
          sameNetns(await dumpNetns(netns), before, 'ADD changes nothing');
        }
        await succeeds(caller, 'DEL', `${build.name}, with the key`);
        writeFileSync(nodeFile, JSON.stringify({ tap: {} }));
        for (const command of ['ADD', 'DEL'] as const)
          await succeeds(caller, command, `${build.name}, without the key`);
      });
    }
  });
});

test("passt's sysctls that the old version widened stay, whichever version is called", async () => {
  const [old, now] = (await builds()).map(oneShotOf) as [Caller, Caller];
  await withKind(KINDS['passt'] as PodKind, async ({ netns, succeeds }) => {
    await succeeds(old, 'ADD', 'passt');
    const wide = await passtSysctls(netns);
    assert.is(wide[0], 0);
    for (const command of ['ADD', 'CHECK', 'DEL'] as const) {
      await succeeds(now, command, 'passt');
      assert.equal(await passtSysctls(netns), wide, command);
    }
  });
});

test.run();
