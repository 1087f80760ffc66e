import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Agent } from './agent.ts';
import type { Cgroup } from './cgroups.ts';
import type { Sample } from './cost.ts';
import { RUNNER, SCRATCH, STDERR } from './node.ts';
import type { Peer } from './peers.ts';
import { hasLink, type Pod, pause } from './pods.ts';
import type { Job } from './protocol.ts';
import { type Outcome, type Runner, startRunner } from './runner.ts';

/** What the sections work with. */
export interface Bench {
  readonly runner: Runner;
  readonly agent: Agent | null;
  /** All of the run; the first ones are Tapwire's. */
  readonly peers: readonly Peer[];
  readonly rounds: number;
  /** Name of the cgroup below which theirs are. */
  readonly cgroup: string;
  /** Says on the terminal how far it is. */
  readonly tell: (progress: string) => void;
}

export type Command = 'ADD' | 'DEL' | 'VERSION';

/** One pod's attachment to one peer. */
export interface Attachment {
  readonly peer: Peer;
  readonly pod: Pod;
  readonly containerId: string;
}

export const attach = (peer: Peer, pod: Pod): Attachment => ({
  peer,
  pod,
  containerId: randomBytes(32).toString('hex'),
});

/** What is left to do when a call has returned: by the kernel after ADD; after DEL also by the agent, which still waits for it. */
const QUIET = { ADD: 25, DEL: 60, VERSION: 10 } as const; // ms

/** A runner of its own, in that cgroup. */
export function runnerIn(cgroup: Cgroup): Runner {
  const runner = startRunner(RUNNER, STDERR);
  cgroup.enter(runner.pid);
  return runner;
}

export function toJob(command: Command, { peer, pod, containerId }: Attachment): Job {
  const stdin = `${SCRATCH}/jobs/${peer.name}.json`;
  writeFileSync(stdin, JSON.stringify(peer.conf));
  return {
    program: peer.program,
    stdin,
    stdout: `${SCRATCH}/jobs/${pod}.out`,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: `/run/netns/${pod}`,
      CNI_IFNAME: peer.ifname,
      CNI_PATH: '/usr/lib/cni',
      CNI_ARGS: `IgnoreUnknown=true;K8S_POD_NAMESPACE=vms;K8S_POD_NAME=virt-launcher-${pod};K8S_POD_INFRA_CONTAINER_ID=${containerId};K8S_POD_UID=1`,
      ...peer.env,
    },
  };
}

/** Makes one call, and looks at what it did, outside the times. @throws {Error} when it failed */
export async function call(
  bench: Bench,
  command: Command,
  attachment: Attachment,
  runner = bench.runner,
): Promise<Sample> {
  const { agent } = bench;
  const worker = attachment.peer.usesAgent ? agent : null;
  const before = worker?.cpu() ?? 0;
  const { outcomes } = await runner.run([toJob(command, attachment)]);
  await pause(QUIET[command]);
  const agentCpu = (worker?.cpu() ?? 0) - before;
  for (const outcome of outcomes) requireSuccess(command, attachment, outcome);
  await requireEffect(command, attachment);
  const { wall, cpu, memory } = outcomes[0] as Outcome;
  return { wall, cpu, agentCpu, memory };
}

export function requireSuccess(command: Command, { peer }: Attachment, { status, stdout }: Outcome): void {
  const isAnswer = command === 'DEL' ? stdout === '' : hasVersion(stdout);
  if (status === 0 && isAnswer) return;
  const stderr = readFileSync(STDERR, 'utf8').split('\n').slice(-20).join('\n');
  throw new Error(`${command} of ${peer.name} failed: exit status ${status}\n${stdout}\n${stderr}`);
}

function hasVersion(stdout: string): boolean {
  try {
    return typeof JSON.parse(stdout).cniVersion === 'string';
  } catch {
    return false;
  }
}

/** @throws {Error} when the link is not there after ADD, or still there after DEL */
export async function requireEffect(command: Command, { peer, pod }: Attachment): Promise<void> {
  if (command === 'VERSION') return;
  const isThere = await hasLink(pod, peer.makes);
  if (isThere === (command === 'ADD')) return;
  throw new Error(
    `${command} of ${peer.name} answered success, but "${peer.makes}" ${isThere ? 'is still there' : 'is not there and up'}`,
  );
}
