/** Pods of a node, as the kubelet requests them, and everything that they may leave there. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { HANG } from '../../hang.ts';
import type { Ip, TestNetns } from '../../pod/netns.ts';
import { cgroupsOf } from './cgroups.ts';
import type { SandboxStatus } from './cri.ts';
import type { Node } from './node.ts';
import { processesOf } from './processes.ts';

/**
 * What containerd deletes only after it has replied: snapshots, shims, and the netns' veth ends.
 */

export interface Pod {
  readonly id: string;
  readonly status: SandboxStatus;
  readonly netns: TestNetns;
}

/** A PodSandboxConfig with a unique name. `rest` has keys besides those that every one has. */
export function podConfig(node: Node, rest: Readonly<Record<string, unknown>> = {}): object {
  const uid = randomBytes(8).toString('hex');
  return {
    metadata: { name: `virt-launcher-${uid}`, uid, namespace: 'vms', attempt: 0 },
    hostname: `vm-${uid}`,
    linux: { cgroup_parent: node.cgroupParent },
    ...rest,
  };
}

export async function runPod(node: Node, rest: Readonly<Record<string, unknown>> = {}): Promise<Pod> {
  const id = await node.cri.runPodSandbox(podConfig(node, rest));
  const status = await node.cri.podSandboxStatus(id);
  return { id, status, netns: netnsOf(node, status) };
}

export async function removePod({ cri }: Node, { id }: Pod): Promise<void> {
  await cri.stopPodSandbox(id);
  await cri.removePodSandbox(id);
}

/**
 * Runs one program of the node in a pod's netns. The netns has no name outside of the node, so that
 * `ip -n` cannot find it.
 */
function netnsOf({ root }: Node, { netns }: SandboxStatus): TestNetns {
  const name = basename(netns);
  const path = `${root}/run/netns/${name}`;
  const runIn =
    (program: string): Ip =>
    async (command) =>
      (await execa('nsenter', [`--net=${path}`, program, ...command.split(' ')])).stdout;
  return { name, path, ip: runIn('ip'), tc: runIn('tc') };
}

/** The chain's result that libcni keeps until DEL (`<root>/var/lib/cni/results`). */
// biome-ignore lint/suspicious/noExplicitAny: a CNI result; a test compares it with what it expects
export function cachedResult({ root }: Node, network: string, { id }: Pod): any {
  const path = `${root}/var/lib/cni/results/${network}-${id}-eth0`;
  return JSON.parse(readFileSync(path, 'utf8')).result;
}

/** Addresses that host-local has assigned on the node, each with the container that has it. */
export function leases({ root }: Node): ReadonlyMap<string, string> {
  const place = `${root}/var/lib/cni/networks`;
  const found = new Map<string, string>();
  for (const network of entries(place)) {
    for (const file of entries(`${place}/${network}`).filter((name) => /^[\da-f.:]+$/.test(name))) {
      found.set(file, readFileSync(`${place}/${network}/${file}`, 'utf8').split(/\s/)[0] ?? '');
    }
  }
  return found;
}

/**
 * Links of the node that do not belong to a pod: the loopback, and the bridge that the first pod's
 * plugin created.
 */
const LINKS_OF_THE_NODE = ['lo', 'cni0'];
const PROCESSES_OF_THE_NODE = ['sh', 'containerd', 'cat'];
/**
 * The first ones, which containerd creates itself. Those of pods are deleted when its garbage
 * collector runs.
 */
const SNAPSHOT_OF_THE_IMAGE = '1';

/** Everything on the node that exists for some pod, one line for each thing. */
export async function tracesOfPods(node: Node): Promise<readonly string[]> {
  const { root, netns, cri, init } = node;
  const links: { ifname: string }[] = JSON.parse(await netns.ip('-j link show'));
  const trace = (what: string, names: readonly string[]) => names.map((name) => `${what} ${name}`);
  return [
    ...trace('sandbox', await cri.listPodSandbox()),
    ...trace(
      'link',
      links.map(({ ifname }) => ifname).filter((ifname) => !LINKS_OF_THE_NODE.includes(ifname)),
    ),
    ...trace('netns', entries(`${root}/run/netns`)),
    // The kernel numbers the netns that links of the node lead to, until their last descriptor is
    // closed.
    ...trace('netns', (await netns.ip('netns list-id')).split('\n').filter(Boolean)),
    ...trace('result', entries(`${root}/var/lib/cni/results`)),
    ...trace('address', [...leases(node).keys()]),
    ...trace('mount', podMounts(node)),
    ...trace(
      'snapshot',
      entries(`${root}/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots`).filter(
        (name) => name !== SNAPSHOT_OF_THE_IMAGE,
      ),
    ),
    ...trace('cgroup', cgroupsOf(node.cgroupParent).flatMap(foldersOf)),
    ...trace(
      'process',
      processesOf(init)
        .filter(({ pid }) => pid !== node.agent)
        .map(({ name, pid }) => `${name} ${pid}`)
        .filter((process) => !PROCESSES_OF_THE_NODE.includes(process.split(' ')[0] ?? '')),
    ),
  ];
}

/** Fails unless nothing of any pod is left on the node, once containerd had time to finish. */
export async function nothingLeft(node: Node, why = 'nothing of a pod is left'): Promise<void> {
  const traces = async () => {
    const found = await tracesOfPods(node);
    if (found.length > 0 && found.every((trace) => trace.startsWith('snapshot '))) await retrySnapshots(node);
    return found;
  };
  assert.equal(await settled(traces, []), [], why);
}

/**
 * Makes containerd delete the snapshots that it could not delete when their pods ended, because a
 * file was still in use. It tries that again only when it deletes another snapshot.
 */
async function retrySnapshots({ root }: Node): Promise<void> {
  const ctr = ['-a', `${root}/run/containerd/containerd.sock`, '-n', 'k8s.io', 'snapshots'];
  const name = `retry-${randomBytes(8).toString('hex')}`;
  await execa('ctr', [...ctr, 'prepare', name]);
  await execa('ctr', [...ctr, 'rm', name]);
}

/** Repeats a request until the reply is `want`, for a bounded time; returns the last reply. */
export async function settled<T>(ask: () => T | Promise<T>, want: T): Promise<T> {
  const wanted = JSON.stringify(want);
  for (const deadline = Date.now() + HANG; ; await sleep(50)) {
    const answer = await ask();
    if (JSON.stringify(answer) === wanted || Date.now() > deadline) return answer;
  }
}

/** Mount points of the node below the directories where containerd creates mounts for its pods. */
export function podMounts({ init }: Node): readonly string[] {
  return readFileSync(`/proc/${init}/mountinfo`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => /^\/(run|var\/lib)\/./.test(point));
}

/** Every path of the node at which a container runtime or a plugin keeps files. */
export function filesOf({ root }: Node): readonly string[] {
  return ['run', 'tmp', 'var/lib', 'etc/cni', 'etc/tapwire', 'opt'].flatMap((place) =>
    existsSync(`${root}/${place}`)
      ? readdirSync(`${root}/${place}`, { recursive: true, encoding: 'utf8' })
          .map((path) => `/${place}/${path}`)
          .sort()
      : [],
  );
}

/**
 * Open descriptors of a process of the node: the kind of each, and its number among those of this
 * kind.
 */
export function descriptorsOf(pid: number): readonly string[] {
  const counts = new Map<string, number>();
  return readdirSync(`/proc/${pid}/fd`).map((fd) => {
    const kind = linkTarget(`/proc/${pid}/fd/${fd}`).replace(/:\[\d+\]$/, '');
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return `${kind} #${counts.get(kind)}`;
  });
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return 'closed meanwhile';
  }
}

function entries(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

function foldersOf(place: string): readonly string[] {
  return readdirSync(place, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${place}/${name}`);
}
