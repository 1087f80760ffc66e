import { closeSync, openSync } from 'node:fs';
import { execa } from 'execa';
import { tapBinding } from '../../cni/bindings/tap/tap.ts';
import { openKernel } from '../../cni/kernel/kernel.ts';
import { RULE_FORMS, type RuleForm } from '../../cni/kernel/rules.ts';
import { apply } from '../../cni/plan/apply.ts';
import { DEFAULT_POLICY } from '../../cni/policy/node-policy.ts';
import { decodeNetConf, type TapConf } from '../../cni/request/config.ts';
import { macBytes } from '../../shared/mac.ts';
import { CLASSIFIERS } from '../../shared/rtnetlink/filter.ts';
import type { Bench } from '../bench.ts';
import { FRAMES } from '../node.ts';
import type { Peer } from '../peers.ts';
import { addPods, batch, type Pod, removePods } from '../pods.ts';
import { AGENT, type FrameCosts, type PassageCosts } from '../results.ts';
import { shuffled, spread } from '../statistics.ts';
import { measureTogether } from './calls.ts';

/** What a NAD can ask for, by the name of the option. */
const OPTIONS = {
  'no option': {},
  'guestAddresses pod': { guestAddresses: 'pod' },
  'spoofGuard mac': { spoofGuard: 'mac' },
  'spoofGuard addresses': { guestAddresses: 'pod', spoofGuard: 'addresses' },
} as const;

/** Writes of a frame in one measurement, which takes some tenths of a second. */
const WRITES = 100_000;

/** Measures what each option costs in ADD and DEL by the agent, and for each frame of a guest. */
export async function measurePassage(bench: Bench): Promise<PassageCosts> {
  const ours = bench.peers.find(({ name }) => name === AGENT);
  const peers =
    ours === undefined ? [] : Object.entries(OPTIONS).map(([name, keys]) => withKeys(ours, name, keys));
  return { calls: await measureTogether(bench, peers), frames: await measureFrames(bench) };
}

const withKeys = (peer: Peer, name: string, keys: object): Peer => ({
  ...peer,
  name,
  conf: { ...peer.conf, ...keys },
});

/** A wired pod whose guest is this program. */
interface Wired {
  readonly option: string;
  readonly pod: Pod;
  readonly ipv4: number[];
  readonly ipv6: number[];
}

/** Writes frames through all kinds of wiring in turn, in random order. */
async function measureFrames(bench: Bench): Promise<readonly FrameCosts[]> {
  const kinds = Object.entries(OPTIONS).flatMap(([option, keys]) =>
    'spoofGuard' in keys
      ? RULE_FORMS.map((form) => ({ option: `${option}, ${form}`, keys, form }))
      : [{ option, keys, form: 'program' as RuleForm }],
  );
  const pods = await addPods(kinds.length);
  const wired: Wired[] = [];
  for (const [i, { option, keys, form }] of kinds.entries()) {
    const pod = pods[i] as Pod;
    await batch(['-n', pod], [`link set eth0 address ${MAC}`]);
    await wire(pod, keys, form);
    wired.push({ option, pod, ipv4: [], ipv6: [] });
  }
  for (let round = 0; round <= bench.rounds; round++) {
    bench.tell(`frames, round ${round} of ${bench.rounds}`);
    for (const { pod, ipv4, ipv6 } of shuffled(wired, Math.random)) {
      const [four, six] = [await writeFrames(pod, IPV4_FRAME), await writeFrames(pod, IPV6_FRAME)];
      if (round === 0) continue; // caches are cold
      ipv4.push(four);
      ipv6.push(six);
    }
  }
  for (const { option, pod } of wired) await requirePassed(option, pod, 2 * WRITES * bench.rounds);
  await removePods(pods);
  return wired.map(({ option, ipv4, ipv6 }) => ({ option, ipv4: spread(ipv4), ipv6: spread(ipv6) }));
}

/** @throws {Error} if fewer frames left the pod: then the guard dropped them, which is faster */
async function requirePassed(option: string, pod: Pod, count: number): Promise<void> {
  const { stdout } = await execa('ip', ['-s', '-j', 'link', 'show', `v${pod}`]);
  const passed = JSON.parse(stdout)[0].stats64.rx.packets;
  if (passed < count) throw new Error(`Cannot measure "${option}": ${passed} of ${count} frames passed`);
}

/** Runs ADD in this process, in order to choose the form of the rules. */
async function wire(pod: Pod, keys: object, form: RuleForm): Promise<void> {
  const path = `/run/netns/${pod}`;
  const conf = decodeNetConf({ cniVersion: '1.0.0', name: 'bench', ...keys, args: BINDING }) as TapConf;
  const request = { key: { containerId: pod, ifname: 'net1' }, netns: path, version: '1.0.0' } as const;
  const netns = openSync(path, 'r');
  const kernel = openKernel(netns, { classifiers: { candidates: CLASSIFIERS, guardForms: [form] } });
  try {
    const { levels } = await tapBinding(conf).plan(
      kernel,
      { ...request, pod: { namespace: null, name: null } },
      { policy: DEFAULT_POLICY, devicesOf: () => Promise.resolve([]) },
    );
    await apply(levels, kernel.run);
  } finally {
    await kernel.close();
    closeSync(netns);
  }
}

const BINDING = { cni: { logicNetworkName: 'default' } };

/** @returns nanoseconds for one frame */
async function writeFrames(pod: Pod, input: Buffer): Promise<number> {
  const { stdout } = await execa('ip', ['netns', 'exec', pod, FRAMES, 'tap0', `${WRITES}`], { input });
  return Number(stdout);
}

const MAC = '02:00:00:00:00:0a';
/** UDP to port 9 of a host that does not exist, at a MAC that nobody has: 106 bytes. */
const HEADER = Buffer.concat([macBytes('02:00:00:00:00:99'), macBytes(MAC)]);
const UDP = Buffer.from('0400000900480000', 'hex');
const PAYLOAD = Buffer.alloc(64, 0xa5);
const IPV4_FRAME = Buffer.concat([
  HEADER,
  Buffer.from('0800' + '4500005c00004000401100' + '00' + 'c000020a' + 'c0000263', 'hex'),
  UDP,
  PAYLOAD,
]);
const IPV6_FRAME = Buffer.concat([
  HEADER,
  Buffer.from(
    `86dd${'6000000000481140'}${'20010db8000000000000000000000010'}${'20010db8000000000000000000000099'}`,
    'hex',
  ),
  UDP,
  PAYLOAD,
]);
