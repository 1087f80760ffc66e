/** The DaemonSet's pod is replaced by a newer version and back, while pods start and end. */
import { readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../package.json' with { type: 'json' };
import { variants } from '../../scripts/image/config.ts';
import { readContents } from '../../scripts/image/contents.ts';
import { ociArchive } from '../../scripts/image/oci.ts';
import type { Entry } from '../../scripts/image/tar.ts';
import { callPlugin } from '../helpers/cluster/containerd/call-plugin.ts';
import { assertWired, BRIDGE } from '../helpers/cluster/containerd/chain.ts';
import { baseSpec, runAgent, withImage } from '../helpers/cluster/containerd/daemonset.ts';
import { importImages } from '../helpers/cluster/containerd/kubelet.ts';
import { configureNetwork, type Node } from '../helpers/cluster/containerd/node.ts';
import { type Pod, removePod, runPod } from '../helpers/cluster/containerd/pods.ts';
import { dumpNetns, sameNetns } from '../helpers/pod/netns.ts';

const test = suite('an upgrade under load');

const PODS = 5;
const PAIRS = 500;
const NEXT = 'next';
/** As long as the real version, so that it can replace it in the shim. */
const NEXT_VERSION = tapwire.version.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));

/** The version after this one: another shim and another fallback. */
async function importNextVersion(node: Node): Promise<void> {
  const contents = (await readContents()).map((entry): Entry => {
    if (entry.kind !== 'file') return entry;
    const { path, content } = entry;
    if (path === 'app/cni/tapwire')
      return { ...entry, content: replaced(content, tapwire.version, NEXT_VERSION) };
    if (path === 'app/cni/.tapwire/package.json')
      return { ...entry, content: Buffer.from('{"type": "module"}') };
    return entry;
  });
  const [image] = variants(process.arch, {});
  if (image === undefined) throw new Error('no image');
  const archive = `${node.root}/run/next.tar`;
  const variant = { ...image, name: `localhost/tapwire:${NEXT}` };
  writeFileSync(archive, await ociArchive(contents, [variant]));
  await importImages(node, archive);
}

function replaced(content: Uint8Array, text: string, by: string): Buffer {
  const found = Buffer.from(content).toString('latin1');
  assert.ok(found.includes(`v${text}:`));
  return Buffer.from(found.replace(`v${text}:`, `v${by}:`), 'latin1');
}

/** Runs ADD and DEL of one pod repeatedly until the upgrade is over. */
async function comeAndGo(node: Node, pod: Pod, isOver: () => boolean, onPair: () => void): Promise<void> {
  for (; !isOver(); onPair()) {
    for (const command of ['ADD', 'DEL']) {
      const { exitCode, stdout, stderr } = await callPlugin(node, command, pod);
      assert.is(exitCode, 0, `${command}: ${stdout} ${stderr}`);
    }
  }
}

test(`${PAIRS} pairs of ADD and DEL all succeed while the agent and the installed files are replaced three times`, () =>
  withImage(async (node) => {
    await importNextVersion(node);
    await configureNetwork(node, '1.0.0', [BRIDGE]);
    const pods = await Promise.all(Array.from({ length: PODS }, () => runPod(node)));
    const before = await Promise.all(pods.map(({ netns }) => dumpNetns(netns)));
    let current = await runAgent(node, baseSpec());

    let [pairs, replacements] = [0, 0];
    const failures: unknown[] = [];
    const isOver = () => failures.length > 0 || (pairs >= PAIRS && replacements === 3);
    const count = () => {
      pairs += 1;
    };
    const load = pods.map((pod) =>
      comeAndGo(node, pod, isOver, count).catch((error) => failures.push(error)),
    );
    for (const tag of [NEXT, tapwire.version, NEXT]) {
      await sleep(1000); // Calls go through the running agent,
      await current.pod.end();
      await sleep(500); // and some find none.
      current = await runAgent(node, baseSpec(tag));
      replacements += 1;
    }
    await Promise.all(load);
    if (failures.length > 0) throw failures[0];

    for (const [i, { netns }] of pods.entries()) sameNetns(await dumpNetns(netns), before[i] ?? {});
    const versions = readdirSync(`${node.root}/opt/cni/bin`).filter((name) => name.startsWith('.tapwire'));
    assert.equal(
      versions.map((name) => name.replace(/-[0-9a-f]{8}$/, '')).sort(),
      ['.tapwire', `.tapwire-${tapwire.version}`, `.tapwire-${NEXT_VERSION}`],
      'this version, the one before, and no more',
    );
    for (const pod of pods) {
      assert.is((await callPlugin(node, 'ADD', pod)).exitCode, 0);
      await assertWired(pod);
      await removePod(node, pod);
    }
    await current.pod.end();
  }));

test.run();
