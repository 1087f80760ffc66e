import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa, type Result } from 'execa';
import { cgroupsOf, removeCgroup } from '../cluster/containerd/cgroups.ts';
import { HANG } from '../hang.ts';
import type { LabPlace } from './lab.ts';

/**
 * Removes a lab, also an incomplete one: its processes, links, netns and files. Nothing is found by
 * a pattern.
 */
export async function removeLab({ dir, node, pod }: LabPlace): Promise<void> {
  // Runs from the last line to the first, and each line even if another has failed.
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(dir, { recursive: true, force: true }));
  undo.defer(() => removeNetns(node));
  undo.defer(() => removeNetns(pod));
  // The kernel deletes a netns after its name is gone. Until then, its end of a veth would be in
  // the way.
  undo.defer(() => removeVeths(node));
  undo.defer(() => killAllIn(node));
  undo.defer(() => killAllIn(pod));
}

/** Removes a netns, all processes in it, and the cgroups that have its name. */
export async function endNetns(netns: string): Promise<void> {
  await killAllIn(netns);
  await removeNetns(netns);
  for (const path of cgroupsOf(`/${netns}`)) await removeCgroup(path);
}

/** What is left of a lab: names of netns, and paths. */
export function leftOvers({ dir, node, pod }: LabPlace): string[] {
  return [...[node, pod].filter(exists), ...[dir].filter((path) => existsSync(path))];
}

const exists = (netns: string) => existsSync(`/run/netns/${netns}`);

const ATTEMPTS = 20;
const APART = { detached: true, reject: false } as const;

/**
 * Runs ip(8). In a session of its own, because Ctrl-C at the terminal would otherwise end it; again
 * if the signal was faster than that. A failure is returned: a removal at the same time may have
 * been faster.
 */
async function ip(...args: readonly string[]): Promise<Result<typeof APART>> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await execa('ip', args, APART);
    if (result.signal === undefined || attempt === ATTEMPTS) return result;
  }
}

async function pidsIn(netns: string): Promise<number[]> {
  if (!exists(netns)) return [];
  const { stdout, failed, stderr } = await ip('netns', 'pids', netns);
  if (failed && exists(netns)) throw new Error(`Cannot find the processes of ${netns}: ${stderr}`);
  return stdout.split('\n').filter(Boolean).map(Number);
}

/** Kills all processes in a netns, and waits until they have ended. */
export async function killAllIn(netns: string): Promise<void> {
  const deadline = performance.now() + HANG;
  for (let pids = await pidsIn(netns); pids.length > 0; pids = await pidsIn(netns)) {
    if (performance.now() > deadline) throw new Error(`Cannot end processes ${pids.join(', ')} of ${netns}`);
    for (const pid of pids) kill(pid);
    await sleep(20);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // The process has exited by itself.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

async function removeVeths(netns: string): Promise<void> {
  if (!exists(netns)) return;
  const { stdout } = await ip('-n', netns, '-j', 'link', 'show', 'type', 'veth');
  const links: { ifname: string }[] = JSON.parse(stdout || '[]');
  // Deleting the first of a pair deletes the second.
  for (const { ifname } of links) await ip('-n', netns, 'link', 'del', ifname);
}

async function removeNetns(netns: string): Promise<void> {
  if (!exists(netns)) return;
  const { stderr } = await ip('netns', 'del', netns);
  if (exists(netns)) throw new Error(`Cannot delete netns ${netns}: ${stderr}`);
}
